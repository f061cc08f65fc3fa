/* SPDX-License-Identifier: BSD-2-Clause */
/* Flows in slots that a change of the ring has moved: who follows a note, who makes one, who may not. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "lib/proto.h"
#include "plane_case.h"
#include "sluice/abi/flow_hash.h"
#include "sluice/abi/vip_flow.h"

#define VIP "192.0.2.10"
#define MTU 1500

enum { A = 1, B, C };

static const struct packet_spec ack = { .src = "198.51.100.7",
					.dst = VIP,
					.proto = PROTO_TCP,
					.sport = 4000,
					.dport = 80,
					.tcp_flags = TCP_ACK };
static const struct packet_spec udp = { .src = "198.51.100.7",
					.dst = VIP,
					.proto = PROTO_UDP,
					.sport = 4000,
					.dport = 53,
					.payload_bytes = 32 };

static struct packet_spec from(struct packet_spec spec, uint16_t sport, uint8_t flags)
{
	spec.sport = sport;
	spec.tcp_flags = flags;
	return spec;
}

/* All slots of the ring say the same. */
static void say(struct plane *p, uint32_t backend, uint32_t before)
{
	static struct vip_slot slots[PLANE_RING];
	static uint32_t at[PLANE_RING];
	uint32_t i, count = PLANE_RING;

	for (i = 0; i < PLANE_RING; i++) {
		at[i] = 2 * PLANE_RING + i;
		slots[i] = (struct vip_slot) { backend, before };
	}
	assert_int_equal(bpf_map_update_batch(plane_map(p, "vip_ring"), at, slots, &count, NULL),
			 0);
}

static void set_backend(struct plane *p, uint32_t id, uint8_t flags, uint32_t generation)
{
	struct backend b;

	plane_backend(p, id, PLANE_LOOPBACK, MTU);
	assert_int_equal(bpf_map_lookup_elem(plane_map(p, "backends"), &id, &b), 0);
	b.flags = flags;
	b.generation = generation;
	assert_int_equal(bpf_map_update_elem(plane_map(p, "backends"), &id, &b, BPF_ANY), 0);
}

static void balance(struct plane *p, uint32_t backend, uint32_t before)
{
	uint32_t id;

	for (id = A; id <= C; id++)
		set_backend(p, id, BACKEND_READY, 1);
	plane_vip(p, 1, VIP, 80, PROTO_TCP, 0);
	plane_vip(p, 1, VIP, 53, PROTO_UDP, 0);
	plane_vip_fragments(p, VIP, 53, PROTO_UDP);
	say(p, backend, before);
}

/* By its hardware address; 0: dropped. */
static uint32_t backend_of(struct plane *p, struct packet_spec spec)
{
	struct packet in, out;

	packet_build(&spec, &in);
	if (plane_run(p, &in, &out) == PLANE_DROP)
		return 0;
	return out.bytes[5];
}

static uint32_t notes(const struct plane *p)
{
	struct flow_key key, *at = NULL;
	uint32_t n = 0;

	for (; bpf_map_get_next_key(plane_map(p, "vip_flow"), at, &key) == 0; at = &key)
		n++;
	return n;
}

static struct stats_flow counts(const struct plane *p)
{
	struct stats_flow s;

	plane_sum(p, "stats_flow", 1, &s, sizeof(s));
	return s;
}

/* What counts towards the bound of a second. */
static uint32_t counted(const struct plane *p, uint32_t kind)
{
	struct vip_window w;
	uint32_t vip = 1;

	assert_int_equal(bpf_map_lookup_elem(plane_map(p, "vip_window"), &vip, &w), 0);
	return (uint32_t)w.meter[kind].notes;
}

static void test_no_window(struct plane *p, const void *row)
{
	uint16_t i;

	(void)row;
	balance(p, A, 0);
	for (i = 0; i < 2 * PLANE_SYNS_PER_S; i++) {
		assert_int_equal(backend_of(p, from(ack, (uint16_t)(1000 + i), TCP_SYN)), A);
		assert_int_equal(backend_of(p, from(ack, (uint16_t)(5000 + i), TCP_ACK)), A);
	}
	assert_int_equal(backend_of(p, udp), A);
	assert_int_equal(notes(p), 0);
	assert_int_equal(counts(p).noted, 0);
}

/* Any number of changes in a window: before is what it was when it began. */
static void test_two_changes(struct plane *p, const void *row)
{
	(void)row;
	balance(p, B, A);
	assert_int_equal(backend_of(p, from(ack, 1, TCP_ACK)), A);
	assert_int_equal(backend_of(p, from(ack, 2, TCP_SYN)), B);
	assert_int_equal(backend_of(p, from(ack, 2, TCP_ACK)), B);
	assert_int_equal(notes(p), 2);
	say(p, C, A);
	assert_int_equal(backend_of(p, from(ack, 1, TCP_ACK)), A);
	assert_int_equal(backend_of(p, from(ack, 2, TCP_ACK)), B);
	assert_int_equal(backend_of(p, from(ack, 2, TCP_SYN)), B); /* sent again */
	assert_int_equal(backend_of(p, from(ack, 3, TCP_SYN)), C);
	say(p, A,
	    A); /* as before: flows of now and of before need no note, those between have one */
	assert_int_equal(backend_of(p, from(ack, 2, TCP_ACK)), B);
	assert_int_equal(backend_of(p, from(ack, 3, TCP_ACK)), C);
	assert_int_equal(backend_of(p, from(ack, 4, TCP_SYN)), A);
	assert_int_equal(backend_of(p, from(ack, 5, TCP_ACK)), A);
	assert_int_equal(notes(p), 3);
	say(p, C,
	    VIP_BEFORE_OVER); /* those that sent stay where they are, the ring has the others */
	assert_int_equal(backend_of(p, from(ack, 1, TCP_ACK)), A);
	assert_int_equal(backend_of(p, from(ack, 2, TCP_ACK)), B);
	assert_int_equal(backend_of(p, from(ack, 6, TCP_ACK)), C);
	assert_int_equal(backend_of(p, from(ack, 7, TCP_SYN)), C);
	assert_int_equal(notes(p), 3);
	/* Who followed a note, or needed none, has not been counted. */
	assert_int_equal(counted(p, VIP_FLOW_SYN), 2);
	assert_int_equal(counted(p, VIP_FLOW_OTHER), 1);
}

static void test_reset(struct plane *p, const void *row)
{
	struct packet_spec quoted = from(ack, 9, TCP_ACK);
	struct packet_spec error = { .src = "198.51.100.1",
				     .dst = VIP,
				     .proto = PROTO_ICMP,
				     .icmp_type = 3,
				     .quoted = &quoted };

	(void)row;
	balance(p, B, A);
	assert_int_equal(backend_of(p, from(ack, 8, TCP_RST_FLAG)), A);
	assert_int_equal(backend_of(p, from(ack, 8, TCP_RST_FLAG | TCP_ACK)), A);
	quoted.src = VIP;
	quoted.dst = ack.src;
	quoted.sport = 80;
	quoted.dport = 9;
	assert_int_equal(backend_of(p, error), A);
	assert_int_equal(notes(p), 0);
	assert_int_equal(backend_of(p, from(ack, 9, TCP_SYN)), B);
	assert_int_equal(backend_of(p, error), B); /* with its flow */
	assert_int_equal(notes(p), 1);
}

static void test_dead(struct plane *p, const void *row)
{
	(void)row;
	balance(p, B, A);
	assert_int_equal(backend_of(p, from(ack, 1, TCP_ACK)), A);
	set_backend(p, A, BACKEND_READY | BACKEND_DEAD, 1);
	assert_int_equal(backend_of(p, from(ack, 1, TCP_ACK)), B);
	assert_int_equal(backend_of(p, from(ack, 2, TCP_ACK)), B);
	assert_int_equal(backend_of(p, udp), B);
	assert_int_equal(notes(p), 1);
	set_backend(p, A, 0, 1); /* without a next hop it is no better */
	assert_int_equal(backend_of(p, from(ack, 3, TCP_ACK)), B);
	assert_int_equal(backend_of(p, from(ack, 1, TCP_SYN)),
			 B); /* what it was noted for is over */
	set_backend(p, A, BACKEND_READY, 1);
	assert_int_equal(backend_of(p, from(ack, 1, TCP_ACK)), B);
	assert_int_equal(backend_of(p, from(ack, 2, TCP_ACK)), A);
}

static void test_recycled_id(struct plane *p, const void *row)
{
	(void)row;
	balance(p, B, A);
	assert_int_equal(backend_of(p, from(ack, 1, TCP_ACK)), A);
	say(p, B, VIP_BEFORE_NONE); /* as the agent does before an id is another backend's */
	set_backend(p, A, BACKEND_READY, 2);
	assert_int_equal(backend_of(p, from(ack, 1, TCP_ACK)), B);
	say(p, B, VIP_BEFORE_OVER);
	assert_int_equal(backend_of(p, from(ack, 1, TCP_ACK)), B);
}

static void test_no_backend(struct plane *p, const void *row)
{
	(void)row;
	balance(p, 0, A); /* weight 0 everywhere: who is there stays, and nobody comes */
	assert_int_equal(backend_of(p, from(ack, 1, TCP_ACK)), A);
	assert_int_equal(backend_of(p, from(ack, 2, TCP_SYN)), 0);
	assert_int_equal(backend_of(p, from(ack, 1, TCP_ACK)), A);
	assert_int_equal(plane_drops(p, DROP_NO_BACKEND).packets, 1);
	set_backend(p, A, BACKEND_READY | BACKEND_DEAD, 1); /* removed, or its drain is over */
	assert_int_equal(backend_of(p, from(ack, 1, TCP_ACK)), 0);
	assert_int_equal(backend_of(p, from(ack, 3, TCP_ACK)), 0);
	assert_int_equal(plane_drops(p, DROP_NO_BACKEND).packets, 3);
	say(p, B, VIP_BEFORE_NONE);
	assert_int_equal(backend_of(p, from(ack, 3, TCP_ACK)), B);
	assert_int_equal(backend_of(p, from(ack, 4, TCP_SYN)), B);
	assert_int_equal(notes(p), 2);
}

/* Over it new flows go to the backend of before, all of their packets. */
static void test_syn_rate(struct plane *p, const void *row)
{
	uint16_t i;

	(void)row;
	balance(p, B, A);
	for (i = 1; i <= 3 * PLANE_SYNS_PER_S; i++) {
		uint32_t want = i <= PLANE_SYNS_PER_S ? B : A;

		assert_int_equal(backend_of(p, from(ack, i, TCP_SYN)), want);
	}
	assert_int_equal(notes(p), PLANE_SYNS_PER_S);
	assert_int_equal(counts(p).over_rate, 2 * PLANE_SYNS_PER_S);
	for (i = 1; i <= 3 * PLANE_SYNS_PER_S; i++) {
		uint32_t want = i <= PLANE_SYNS_PER_S ? B : A;

		assert_int_equal(backend_of(p, from(ack, i, TCP_ACK)), want);
	}
	*p->now_ns += PLANE_SECOND;
	assert_int_equal(backend_of(p, from(ack, 1000, TCP_SYN)), B);
	set_backend(p, A, BACKEND_READY | BACKEND_DEAD, 1);
	for (i = 2000; i < 2000 + 2 * PLANE_SYNS_PER_S; i++)
		assert_int_equal(backend_of(p, from(ack, i, TCP_SYN)), B);
}

/* A flood of whatever kind: what is noted stays followed, and the table stays as large as it is. */
static void test_flood(struct plane *p, const void *row)
{
	uint32_t sent = 0, second;
	uint16_t i;

	(void)row;
	balance(p, B, A);
	for (i = 1; i <= 50; i++) {
		assert_int_equal(backend_of(p, from(ack, i, TCP_SYN)), B);
		assert_int_equal(backend_of(p, from(ack, (uint16_t)(100 + i), TCP_ACK)), A);
	}
	for (second = 0; second < 4; second++) {
		*p->now_ns += PLANE_SECOND;
		for (i = 0; i < 2 * PLANE_NOTES_PER_S; i++, sent++) {
			backend_of(p, from(ack, (uint16_t)(10000 + sent), TCP_SYN));
			backend_of(p, from(ack, (uint16_t)(20000 + sent), TCP_ACK));
			backend_of(p, from(udp, (uint16_t)(20000 + sent), 0));
		}
	}
	assert_int_equal(notes(p), PLANE_FLOWS);
	assert_int_equal(counts(p).noted, PLANE_FLOWS);
	assert_true(counts(p).refused > 0);
	assert_true(counts(p).over_rate > 0);
	for (i = 1; i <= 50; i++) {
		assert_int_equal(backend_of(p, from(ack, i, TCP_ACK)), B);
		assert_int_equal(backend_of(p, from(ack, (uint16_t)(100 + i), TCP_ACK)), A);
	}
	/* Without room new flows go where all of their packets will find the way. */
	*p->now_ns += PLANE_SECOND;
	assert_int_equal(backend_of(p, from(ack, 9999, TCP_SYN)), A);
	assert_int_equal(backend_of(p, from(ack, 9999, TCP_ACK)), A);
}

/* A datagram is of a flow of before as far as anybody knows; fragments go by addresses alone. */
static void test_udp(struct plane *p, const void *row)
{
	struct packet_spec first = udp, later = udp;

	(void)row;
	balance(p, B, A);
	assert_int_equal(backend_of(p, udp), A);
	assert_int_equal(notes(p), 1);
	first.frag_more = true;
	later.frag_offset = 185;
	assert_int_equal(backend_of(p, first), A);
	assert_int_equal(backend_of(p, later), A);
	assert_int_equal(notes(p), 2);
	say(p, C, VIP_BEFORE_OVER);
	assert_int_equal(backend_of(p, udp), A);
	assert_int_equal(backend_of(p, first), A);
	assert_int_equal(backend_of(p, later), A);
	assert_int_equal(backend_of(p, from(udp, 1, 0)), C);
}

#define OTHER_SIZE 7

/* A ring of before with another size: its slots have A and B by turns, the first had nobody. */
static void put_before(struct plane *p)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "before", 4, sizeof(struct vip_before),
				OTHER_SIZE, &opts);
	struct vip_window w = { .before_size = OTHER_SIZE };
	uint32_t vip = 1, slot;

	assert_true(fd >= 0);
	for (slot = 0; slot < OTHER_SIZE; slot++) {
		struct vip_before b = { slot ? A + slot % 2 : VIP_BEFORE_NONE, 1 };

		assert_int_equal(bpf_map_update_elem(fd, &slot, &b, BPF_ANY), 0);
	}
	assert_int_equal(bpf_map_update_elem(plane_map(p, "vip_before"), &vip, &fd, BPF_ANY), 0);
	assert_int_equal(bpf_map_update_elem(plane_map(p, "vip_window"), &vip, &w, BPF_ANY), 0);
	close(fd);
}

/* Who had the flow; C where nobody had. */
static uint32_t had(struct plane *p, uint16_t sport)
{
	struct flow_key flow = { .src = packet_addr("198.51.100.7"),
				 .dst = packet_addr(VIP),
				 .sport = htons(sport),
				 .dport = htons(80),
				 .proto = PROTO_TCP };
	struct vip_key key = { .addr = flow.dst, .port = flow.dport, .proto = PROTO_TCP };
	uint32_t slot;
	struct vip vip;

	assert_int_equal(bpf_map_lookup_elem(plane_map(p, "vips"), &key, &vip), 0);
	slot = flow_hash_vip_slot_of(&flow, &vip, OTHER_SIZE);
	return slot ? A + slot % 2 : C;
}

static void test_other_size(struct plane *p, const void *row)
{
	const uint16_t flows = PLANE_NOTES_PER_S;
	uint32_t vip = 1, kept = 0;
	uint16_t i;

	(void)row;
	balance(p, C, VIP_BEFORE_RING);
	put_before(p);
	for (i = 1; i <= flows; i++) {
		assert_int_equal(backend_of(p, from(ack, i, TCP_ACK | TCP_RST)), had(p, i));
		kept += had(p, i) != C;
	}
	assert_in_range(kept, 1, flows - 1);
	assert_int_equal(notes(p), 0);
	assert_int_equal(backend_of(p, from(ack, 1, TCP_SYN)), C); /* another, of the same port */
	for (i = 1; i <= flows; i++)
		assert_int_equal(backend_of(p, from(ack, i, TCP_ACK)), i == 1 ? C : had(p, i));
	assert_int_equal(notes(p), kept + (had(p, 1) == C));
	set_backend(p, A, BACKEND_READY, 2); /* another's id by now */
	for (i = 2; i <= flows; i++)
		assert_int_equal(backend_of(p, from(ack, i, TCP_ACK)),
				 had(p, i) == A ? C : had(p, i));
	assert_int_equal(bpf_map_delete_elem(plane_map(p, "vip_before"), &vip), 0);
	assert_int_equal(backend_of(p, from(ack, flows + 1, TCP_ACK)), C);
}

static void test_seen(struct plane *p, const void *row)
{
	struct flow_key key;
	struct vip_flow f;
	int fd = plane_map(p, "vip_flow");
	const uint64_t now = *p->now_ns;

	(void)row;
	balance(p, B, A);
	backend_of(p, ack);
	assert_int_equal(bpf_map_get_next_key(fd, NULL, &key), 0);
	*p->now_ns = now + PLANE_SECOND - 1;
	backend_of(p, ack);
	assert_int_equal(bpf_map_lookup_elem(fd, &key, &f), 0);
	assert_int_equal(f.backend, A);
	assert_int_equal(f.generation, 1);
	assert_int_equal(f.seen_ns, now);
	*p->now_ns = now + PLANE_SECOND;
	backend_of(p, ack);
	assert_int_equal(bpf_map_lookup_elem(fd, &key, &f), 0);
	assert_int_equal(f.made_ns, now);
	assert_int_equal(f.seen_ns, now + PLANE_SECOND);
}

int main(void)
{
	plane_case_add("outside a window nothing is noted, whatever comes", test_no_window);
	plane_case_add(
		"two changes in a window, one back, and its end: each flow stays where it is",
		test_two_changes);
	plane_case_add("a reset and an ICMP error go with their flow and note nothing", test_reset);
	plane_case_add("a dead backend gets nothing, noted or of before", test_dead);
	plane_case_add("an id that is another backend's now gets no old flow", test_recycled_id);
	plane_case_add("without a backend old flows stay, new ones are dropped; dead, all are",
		       test_no_backend);
	plane_case_add("over the rate of SYNs a new flow stays with the backend of before",
		       test_syn_rate);
	plane_case_add("a flood fills the table, evicts nobody, and breaks no flow", test_flood);
	plane_case_add("datagrams and fragments count as flows of before", test_udp);
	plane_case_add("after a change of the ring's size flows have who had them in the old one",
		       test_other_size);
	plane_case_add("a note remembers to the second when its flow was seen", test_seen);
	return plane_case_run("vip_flow");
}
