/* SPDX-License-Identifier: BSD-2-Clause */
/* Flows that are translated: how long they last, how many there may be, and who ends them. */
#include <arpa/inet.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "nat_play.h"
#include "plane_explain.h"
#include "sluice/abi/limit.h"
#include "sluice/abi/limit_concurrent.h"

#define PORT NAT_PLAY_PORT

struct life {
	const char *sentence;
	const char *script; /* nat_play.h */
	uint32_t lasts_s;
};

static const struct life lives[] = {
	{ "TCP that nobody answered is opening", "S", 60 },
	{ "TCP that the client did not confirm is opening", "Ss", 60 },
	{ "TCP that the client confirmed is established", "SsA", 7440 },
	{ "TCP whose client ended is closing", "SsAaF", 240 },
	{ "TCP whose client ended with its first word is closing", "SsF", 240 },
	{ "TCP whose backend ended is closing", "SsAf", 240 },
	{ "TCP of which both ended is closed", "SsAFf", 10 },
	{ "TCP of which both ended, the backend first, is closed", "SsAfF", 10 },
	{ "TCP that the client reset is closed", "SsAR", 10 },
	{ "TCP that the backend refused is closed", "Sr", 10 },
	{ "UDP that nobody answered is opening", "C", 30 },
	{ "UDP with an answer is opening", "CB", 30 },
	{ "UDP whose client went on is established", "CBC", 120 },
};

static void test_life(struct plane *p, const void *row)
{
	const struct life *l = row;
	uint8_t flags = l->script[0] == 'S' ? TCP_ACK_FLAG : 0;
	struct packet out;

	nat_lab_open(p, false);
	nat_play(p, PORT, l->script, &out);
	*p->now_ns += (l->lasts_s - 1) * PLANE_SECOND;
	assert_int_equal(nat_play_backend(p, &out, flags), nat_lab_sent(p));
	nat_play(p, PORT + 1, l->script, &out);
	*p->now_ns += l->lasts_s * PLANE_SECOND;
	assert_int_equal(nat_play_backend(p, &out, flags), PLANE_PASS);
	assert_true(nat_lab_stats(p, false).ended >= 1);
	assert_int_equal(nat_lab_stats(p, false).opened, 2);
}

/* Packets hold a flow, whichever side's, and also one that a RST of anybody's has closed. */
static void test_held(struct plane *p, const void *row)
{
	struct packet out;

	(void)row;
	nat_lab_open(p, false);
	nat_play(p, PORT, "SsAR", &out);
	for (int i = 0; i < 20; i++) {
		*p->now_ns += 9 * PLANE_SECOND;
		assert_int_equal(i & 1 ? nat_play_client(p, PORT, TCP_ACK_FLAG, NULL)
				       : nat_play_backend(p, &out, TCP_ACK_FLAG),
				 nat_lab_sent(p));
	}
	assert_int_equal(nat_lab_stats(p, false).opened, 1);
	/* Its client begins anew. */
	assert_int_equal(nat_play_client(p, PORT, TCP_SYN_FLAG, &out), nat_lab_sent(p));
	assert_int_equal(nat_lab_stats(p, false).opened, 2);
	assert_int_equal(nat_lab_stats(p, false).ended, 1);
	assert_int_equal(nat_lab_stats(p, false).expired, 0);
	assert_int_equal(nat_play_backend(p, &out, TCP_SYN_FLAG | TCP_ACK_FLAG), nat_lab_sent(p));
}

/* SYNs of n sources; how many got through. */
static uint32_t flood(struct plane *p, uint32_t n)
{
	uint32_t through = 0;

	for (uint32_t i = 0; i < n; i++)
		through += nat_play_client(p, (uint16_t)(10000 + i), TCP_SYN_FLAG, NULL) ==
			   nat_lab_sent(p);
	return through;
}

/* Made-up clients have a share of the slots and no more; who stands is not touched. */
static void test_flood(struct plane *p, const void *row)
{
	struct nat_state state;
	struct packet out;

	(void)row;
	nat_lab_open(p, false);
	nat_play(p, PORT, "SsA", &out);
	assert_int_equal(flood(p, 500), NAT_LAB_YOUNG);
	nat_lab_state(p, &state);
	assert_int_equal(state.young, NAT_LAB_YOUNG);
	assert_int_equal(nat_lab_stats(p, false).full, 500 - NAT_LAB_YOUNG);
	assert_int_equal(plane_drops(p, DROP_NAT_FULL).packets, 500 - NAT_LAB_YOUNG);
	assert_int_equal(nat_play_client(p, PORT, TCP_ACK_FLAG, NULL), nat_lab_sent(p));
	assert_int_equal(nat_play_backend(p, &out, TCP_ACK_FLAG), nat_lab_sent(p));
	/* Those are over; who stands looks at some slots with each packet that it is written by. */
	for (int i = 0; i < 50; i++) {
		*p->now_ns += 2 * PLANE_SECOND;
		assert_int_equal(nat_play_client(p, PORT, TCP_ACK_FLAG, NULL), nat_lab_sent(p));
	}
	nat_lab_state(p, &state);
	assert_int_equal(state.young, 0);
	assert_int_equal(nat_lab_stats(p, false).expired, NAT_LAB_YOUNG);
	nat_play(p, PORT + 1, "SsA", &out);
}

/* A flood that is over leaves room, though there is no flow that looks at what it has left. */
static void test_flood_alone(struct plane *p, const void *row)
{
	struct nat_state state;

	(void)row;
	nat_lab_open(p, false);
	assert_int_equal(flood(p, 500), NAT_LAB_YOUNG);
	*p->now_ns += 60 * PLANE_SECOND;
	/* Each that is refused looks at four slots: the half of them is over. */
	for (uint16_t i = 0; i < NAT_LAB_FLOWS / 4; i++)
		nat_play_client(p, (uint16_t)(PORT + i), TCP_SYN_FLAG, NULL);
	nat_lab_state(p, &state);
	assert_true(state.young < NAT_LAB_YOUNG);
	assert_int_equal(nat_play_client(p, PORT + 100, TCP_SYN_FLAG, NULL), nat_lab_sent(p));
}

/* Two flows that answers could not tell apart: the second is refused, and leaves nothing behind. */
static void test_old_tuples(struct plane *p, const void *row)
{
	struct packet out, other;
	struct flow_key key;

	(void)row;
	nat_lab_open(p, false);
	nat_play(p, PORT, "Ss", &out);
	nat_play(p, PORT + 1, "SsA", &other);
	nat_lab_make_tuples_old(p);
	assert_int_equal(nat_play_client(p, PORT, TCP_ACK_FLAG, NULL), nat_lab_sent(p));
	assert_int_equal(nat_play_backend(p, &out, TCP_ACK_FLAG), nat_lab_sent(p));
	assert_int_equal(nat_play_backend(p, &other, TCP_ACK_FLAG), nat_lab_sent(p));
	assert_int_equal(nat_lab_stats(p, false).opened, 2);
	assert_int_not_equal(bpf_map_get_next_key(plane_map(p, "nat_tuple"), NULL, &key), 0);
	/* One ends, and its client begins anew: what was left of it is nobody's. */
	assert_int_equal(nat_play_client(p, PORT, TCP_RST | TCP_ACK_FLAG, NULL), nat_lab_sent(p));
	nat_play(p, PORT, "SsA", &out);
	assert_int_equal(nat_lab_stats(p, false).opened, 3);
	assert_int_equal(nat_lab_stats(p, false).ended, 1);
	assert_int_equal(nat_play_client(p, PORT, TCP_ACK_FLAG, NULL), nat_lab_sent(p));
	/* One whose time is over is found by its answer, and gone. */
	*p->now_ns += 7440 * PLANE_SECOND;
	assert_int_equal(nat_play_backend(p, &other, TCP_ACK_FLAG), PLANE_PASS);
	assert_int_equal(nat_lab_stats(p, false).ended, 2);
}

static const struct twin {
	const char *sentence;
	bool is_old;
} twins[] = {
	{ "flows that answers could not tell apart are refused", false },
	{ "flows that answers could not tell apart from one that is to be moved are, too", true },
};

static void test_exhausted(struct plane *p, const void *row)
{
	const struct twin *twin = row;

	struct vip_key key = { .addr = packet_addr("192.0.2.99"),
			       .port = htons(80),
			       .proto = PROTO_TCP };
	struct packet_spec spec = nat_lab_spec(false, PROTO_TCP, PORT);
	struct nat_state state;
	struct packet out;
	struct vip vip;

	nat_lab_open(p, true);
	plane_vip(p, 1, "192.0.2.99", 80, PROTO_TCP, 0);
	assert_int_equal(bpf_map_lookup_elem(plane_map(p, "vips"), &key, &vip), 0);
	vip.flags = VIP_NAT;
	assert_int_equal(bpf_map_update_elem(plane_map(p, "vips"), &key, &vip, BPF_ANY), 0);
	nat_play(p, PORT, "SsA", &out);
	if (twin->is_old)
		nat_lab_make_tuples_old(p);
	spec.dst = "192.0.2.99";
	assert_int_equal(plane_run_spec(p, &spec), PLANE_DROP);
	assert_int_equal(plane_drops(p, DROP_NAT_EXHAUSTED).packets, 1);
	assert_int_equal(nat_lab_stats(p, false).exhausted, 1);
	nat_lab_state(p, &state);
	assert_int_equal(state.young, 0);
	assert_int_equal(nat_play_backend(p, &out, TCP_ACK_FLAG), nat_lab_sent(p));
	/* Once the first is over, it may. */
	*p->now_ns += 7440 * PLANE_SECOND;
	assert_int_equal(plane_run_spec(p, &spec), nat_lab_sent(p));
}

/* A client that ends the flow when he first goes on has gone on: the flow is young no more. */
static void test_ends_at_once(struct plane *p, const void *row)
{
	struct nat_state state;
	struct packet out;

	(void)row;
	nat_lab_open(p, false);
	nat_play(p, PORT, "Ss", &out);
	nat_lab_state(p, &state);
	assert_int_equal(state.young, 1);
	assert_int_equal(nat_play_client(p, PORT, TCP_FIN_FLAG | TCP_ACK_FLAG, NULL),
			 nat_lab_sent(p));
	nat_lab_state(p, &state);
	assert_int_equal(state.young, 0);
}

/* Timeouts that are shorter are those of old flows, too, from their next packet. */
static void test_shorter(struct plane *p, const void *row)
{
	struct nat_state state;
	struct packet out;

	(void)row;
	nat_lab_open(p, false);
	nat_play(p, PORT, "SsA", &out);
	nat_lab_state(p, &state);
	state.timeout_ns[NAT_TIMEOUT_TCP_ESTABLISHED] = 100 * PLANE_SECOND;
	nat_lab_state_set(p, &state);
	assert_int_equal(nat_play_client(p, PORT, TCP_ACK_FLAG, NULL), nat_lab_sent(p));
	*p->now_ns += 99 * PLANE_SECOND;
	assert_int_equal(nat_play_backend(p, &out, TCP_ACK_FLAG), nat_lab_sent(p));
	*p->now_ns += 100 * PLANE_SECOND;
	assert_int_equal(nat_play_backend(p, &out, TCP_ACK_FLAG), PLANE_PASS);
}

/* Of two addresses each has all ports: odd and even ones, seen in 200 flows but for once in 10^24. */
static void test_addresses(struct plane *p, const void *row)
{
	const struct nat_vip v = { .n_sources = 2,
				   .source = { packet_addr(NAT_EDGE_4), packet_addr("10.1.0.2") } };
	uint32_t seen[2][2] = { { 0 } }, id = 1, i;
	struct nat_lab_tuple t;
	struct packet out;

	(void)row;
	nat_lab_open(p, false);
	assert_int_equal(bpf_map_update_elem(plane_map(p, "nat_vip"), &id, &v, BPF_ANY), 0);
	for (i = 0; i < 200; i++) {
		nat_play(p, PORT, "SR", &out);
		nat_lab_tuple(&out, false, &t);
		seen[nat_lab_is(&t.src, NAT_EDGE_4)][t.sport & 1]++;
	}
	for (i = 0; i < 4; i++)
		assert_true(seen[i / 2][i % 2] > 0);
}

#define PORTS (NAT_PORTS / PLANE_NAT_USUAL) /* of a CPU */
#define SLOTS 1024			    /* as many as map nat_flow has */

/* Tries that find the last of the ports but for one time in e^300: each looks at 16 of them. */
#define TRIES_MAX 10000

/* Begin n flows, each from a port of its own; how many there are. */
static uint64_t begin(struct plane *p, uint16_t *sport, uint64_t n)
{
	const uint64_t before = nat_lab_stats(p, false).opened;
	uint64_t opened = 0;

	for (int i = 0; i < TRIES_MAX && opened < n; i++) {
		nat_play_client(p, (*sport)++, TCP_SYN_FLAG, NULL);
		opened = nat_lab_stats(p, false).opened - before;
	}
	return opened;
}

/* All ports of an address and a CPU are in use: counted with the backend, and over with the flows. */
static void test_ports(struct plane *p, const void *row)
{
	struct packet_spec v6 = nat_lab_spec(true, PROTO_TCP, PORT);
	cpu_set_t one, all;
	uint16_t sport = 1024;
	struct nat_state state;
	uint64_t exhausted;
	struct packet out;

	(void)row;
	/* The ports are those of the CPU that it runs on. */
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	CPU_ZERO(&one);
	CPU_SET((size_t)sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	nat_lab_open(p, false);
	nat_lab_state(p, &state);
	state.max_flows = state.max_young = SLOTS;
	nat_lab_state_set(p, &state);
	nat_play(p, sport++, "SsA", &out);
	assert_int_equal(begin(p, &sport, PORTS - 1), PORTS - 1);
	exhausted = nat_lab_stats(p, false).exhausted;
	for (int i = 0; i < 100; i++)
		assert_int_equal(nat_play_client(p, sport++, TCP_SYN_FLAG, NULL), PLANE_DROP);
	assert_int_equal(nat_lab_stats(p, false).exhausted, exhausted + 100);
	assert_int_equal(plane_drops(p, DROP_NAT_EXHAUSTED).packets, exhausted + 100);
	assert_int_equal(nat_lab_stats(p, false).full, 0);
	/* Those that there are go on, others have ports of their own, and nothing leaked. */
	assert_int_equal(nat_play_client(p, 1024, TCP_ACK_FLAG, NULL), nat_lab_sent(p));
	assert_int_equal(nat_play_client(p, sport++, 0, NULL), nat_lab_sent(p));
	assert_int_equal(plane_run_spec(p, &v6), nat_lab_sent(p));
	assert_int_equal(nat_lab_stats(p, true).exhausted, 0);
	nat_lab_state(p, &state);
	assert_int_equal(state.young, PORTS - 1 + 2);
	/* All were idle for too long, but for the one that stands. */
	*p->now_ns += 90 * PLANE_SECOND;
	assert_int_equal(begin(p, &sport, PORTS - 1), PORTS - 1);
	assert_int_equal(nat_play_client(p, 1024, TCP_ACK_FLAG, NULL), nat_lab_sent(p));
	assert_int_equal(nat_play_client(p, sport++, TCP_SYN_FLAG, NULL), PLANE_DROP);
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
}

/* A backend that failed, or whose drain is over, ends its flows. */
static void test_dead(struct plane *p, const void *row)
{
	int fd = plane_map(p, "backends");
	uint32_t id = 1;
	struct backend b;
	struct packet out;

	(void)row;
	nat_lab_open(p, false);
	nat_play(p, PORT, "SsA", &out);
	assert_int_equal(bpf_map_lookup_elem(fd, &id, &b), 0);
	b.flags |= BACKEND_DEAD;
	assert_int_equal(bpf_map_update_elem(fd, &id, &b, BPF_ANY), 0);
	assert_int_equal(nat_play_client(p, PORT, TCP_ACK_FLAG, NULL), PLANE_DROP);
	assert_int_equal(plane_drops(p, DROP_BACKEND_GONE).packets, 1);
	b.flags = BACKEND_READY;
	assert_int_equal(bpf_map_update_elem(fd, &id, &b, BPF_ANY), 0);
	assert_int_equal(nat_play_client(p, PORT, TCP_SYN_FLAG, NULL), nat_lab_sent(p));
	assert_int_equal(nat_lab_stats(p, false).opened, 2);
	/* Another backend of the same id: not for the flow either. */
	b.generation++;
	assert_int_equal(bpf_map_update_elem(fd, &id, &b, BPF_ANY), 0);
	assert_int_equal(nat_play_client(p, PORT, TCP_ACK_FLAG, NULL), PLANE_DROP);
	assert_int_equal(plane_drops(p, DROP_BACKEND_GONE).packets, 2);
}

/* Another mode is written record by record: what was found of the flow must not be taken for more. */
static void test_mode_changes(struct plane *p, const void *row)
{
	const struct vip_key key = { .addr = packet_addr(NAT_VIP_4),
				     .port = htons(80),
				     .proto = PROTO_TCP };
	const int backends = plane_map(p, "backends"), vips = plane_map(p, "vips");
	struct packet out;
	uint32_t id = 1;
	struct backend b;
	struct vip vip;

	(void)row;
	nat_lab_open(p, false);
	nat_play(p, PORT, "SsA", &out);
	assert_int_equal(bpf_map_lookup_elem(backends, &id, &b), 0);
	b.mode = BACKEND_IPIP;
	b.source = packet_addr(NAT_EDGE_4);
	assert_int_equal(bpf_map_update_elem(backends, &id, &b, BPF_ANY), 0);
	assert_int_equal(nat_play_client(p, PORT, TCP_ACK_FLAG, &out), nat_lab_sent(p));
	/* Of its ring it was not asked: the outer packet has the id of the inner one. */
	assert_memory_equal(&out.bytes[14 + 4], &out.bytes[14 + 20 + 4], 2);
	assert_int_equal(bpf_map_lookup_elem(vips, &key, &vip), 0);
	vip.flags = 0;
	assert_int_equal(bpf_map_update_elem(vips, &key, &vip, BPF_ANY), 0);
	assert_int_equal(nat_play_client(p, PORT, TCP_ACK_FLAG, &out), nat_lab_sent(p));
	assert_int_equal(plane_drops(p, DROP_BACKEND_GONE).packets, 0);
}

/* A limit of the class that names the vip's TCP, and no sources. */
static void limit_vip(struct plane *p, uint32_t class_id)
{
	const struct vip_key key = { .addr = packet_addr(NAT_VIP_4),
				     .port = htons(80),
				     .proto = PROTO_TCP };
	const int fd = plane_map(p, "vips");
	struct vip vip;

	plane_limit_set(p, 0, 1, (const uint8_t[3]) { (uint8_t)class_id });
	assert_int_equal(bpf_map_lookup_elem(fd, &key, &vip), 0);
	vip.service = 1;
	assert_int_equal(bpf_map_update_elem(fd, &key, &vip, BPF_ANY), 0);
}

/* All sources are in the class, or all that is to the vip; it allows so many connections at a time. */
static void allow(struct plane *p, uint32_t class_id, uint32_t max, bool of_vip)
{
	struct limit_class class = { .row_bits = PLANE_ROW_BITS,
				     .row_first = class_id * 2 << PLANE_ROW_BITS };
	struct limit_state state;

	class.rates[0].concurrent = max;
	assert_int_equal(
		bpf_map_update_elem(plane_map(p, "limit_class"), &class_id, &class, BPF_ANY), 0);
	plane_limit_state(p, &state);
	for (uint32_t id = 0; id < 8; id++)
		state.concurrent_key.row[id / 4][id % 4] = 0xd1342543de82ef95ULL * (id + 1);
	state.has_concurrent = 1;
	plane_limit_state_set(p, &state);
	if (of_vip)
		limit_vip(p, class_id);
	else
		plane_limit_prefix(p, "0.0.0.0", 0, class_id);
}

struct counted {
	const char *sentence;
	bool of_vip;
};

static const struct counted counts[] = {
	{ "a limit of sources counts flows as connections of their clients", false },
	{ "so does a limit that names the vip", true },
};

/* Flows of TCP are connections of their client, from the SYN until their slot is another's or none's. */
static void test_concurrent(struct plane *p, const void *row)
{
	const struct counted *c = row;
	struct packet out;

	nat_lab_open(p, false);
	allow(p, 1, 2, c->of_vip);
	nat_play(p, PORT, "SsA", &out);
	nat_play(p, PORT + 1, "SsAFf", &out);
	assert_int_equal(nat_play_client(p, PORT + 2, TCP_SYN_FLAG, NULL), PLANE_DROP);
	assert_int_equal(plane_drops(p, DROP_LIMIT_CONCURRENT).packets, 1);
	assert_int_equal(nat_play_client(p, PORT, TCP_ACK_FLAG, NULL), nat_lab_sent(p));
	/* The closed one counts until somebody came by its slot. */
	nat_play(p, PORT + 3, "C", &out);
	*p->now_ns += 10 * PLANE_SECOND;
	for (int i = 0; i < NAT_LAB_FLOWS / 4; i++) {
		*p->now_ns += 2 * PLANE_SECOND;
		assert_int_equal(nat_play_client(p, PORT, TCP_ACK_FLAG, NULL), nat_lab_sent(p));
	}
	assert_int_equal(nat_play_client(p, PORT + 2, TCP_SYN_FLAG, NULL), nat_lab_sent(p));
	assert_int_equal(nat_play_client(p, PORT + 4, TCP_SYN_FLAG, NULL), PLANE_DROP);
	assert_int_equal(plane_drops(p, DROP_LIMIT_CONCURRENT).packets, 2);
}

/* All slots, the settings and counts: what a packet that is only explained must leave alone. */
static void snapshot(const struct plane *p, struct nat_flow *flows, struct nat_state *state)
{
	for (uint32_t i = 0; i < NAT_LAB_FLOWS; i++)
		assert_int_equal(bpf_map_lookup_elem(plane_map(p, "nat_flow"), &i, &flows[i]), 0);
	nat_lab_state(p, state);
}

static void explain(const struct plane_explain *x, const struct packet *in,
		    struct explain_trace *ret)
{
	static struct packet said;

	said.len = sizeof(said.bytes);
	plane_explain_run(x, in->bytes, in->len, said.bytes, &said.len, ret);
}

static void test_explained(struct plane *p, const void *row)
{
	static struct nat_flow before[NAT_LAB_FLOWS], after[NAT_LAB_FLOWS];
	const struct packet_spec mine = { .src = NAT_CLIENT_4,
					  .dst = NAT_VIP_4,
					  .proto = PROTO_TCP,
					  .sport = PORT,
					  .dport = 80,
					  .tcp_flags = TCP_FIN_FLAG | TCP_ACK_FLAG };
	struct packet_spec other = nat_lab_spec(false, PROTO_TCP, PORT + 1);
	struct nat_state state, then;
	struct explain_trace t;
	struct plane_explain x;
	struct packet in, out;

	(void)row;
	nat_lab_open(p, false);
	nat_play(p, PORT, "SsA", &out);
	*p->now_ns += 5 * PLANE_SECOND;
	plane_explain_open(&x, p);
	snapshot(p, before, &state);
	packet_build(&mine, &in);
	explain(&x, &in, &t);
	assert_int_equal(t.result, EXPLAIN_TX);
	assert_int_equal(t.stage[EXPLAIN_NAT], EXPLAIN_TX);
	assert_int_equal(t.backend_id, 1);
	assert_false(t.flags & EXPLAIN_BEGINS);
	packet_build(&other, &in);
	explain(&x, &in, &t);
	assert_int_equal(t.result, EXPLAIN_TX);
	assert_int_equal(t.stage[EXPLAIN_NAT], EXPLAIN_TX);
	assert_true(t.flags & EXPLAIN_BEGINS);
	nat_lab_answer(&out, &mine, &in);
	explain(&x, &in, &t);
	assert_int_equal(t.stage[EXPLAIN_NAT_BACK], EXPLAIN_TX);
	*p->now_ns += 8000 * PLANE_SECOND; /* it is over, and stays where it is */
	explain(&x, &in, &t);
	assert_int_equal(t.stage[EXPLAIN_NAT_BACK], EXPLAIN_NEXT);
	*p->now_ns -= 8000 * PLANE_SECOND;
	snapshot(p, after, &then);
	assert_memory_equal(before, after, sizeof(before));
	assert_memory_equal(&state, &then, sizeof(state));
	assert_int_equal(nat_lab_stats(p, false).opened, 1);
	assert_int_equal(nat_lab_stats(p, false).answer_packets, 1);
	plane_explain_close(&x);
}

/* A flow that would begin: from the port that it then has, or refused as it then is. */
static void test_explained_beginning(struct plane *p, const void *row)
{
	struct packet_spec spec = nat_lab_spec(false, PROTO_TCP, PORT);
	struct explain_trace t;
	struct plane_explain x;
	struct packet in, out, said = { .len = sizeof(said.bytes) };
	struct nat_state state;

	(void)row;
	nat_lab_open(p, false);
	allow(p, 1, 1, false);
	plane_explain_open(&x, p);
	packet_build(&spec, &in);
	plane_explain_run(&x, in.bytes, in.len, said.bytes, &said.len, &t);
	assert_int_equal(plane_run(p, &in, &out), nat_lab_sent(p));
	assert_int_equal(said.len, out.len);
	assert_memory_equal(said.bytes, out.bytes, out.len);
	/* Another flow of the client is one too many; the first, begun anew once it is closed, is not. */
	spec.sport = PORT + 1;
	packet_build(&spec, &in);
	explain(&x, &in, &t);
	assert_int_equal(t.reason, DROP_LIMIT_CONCURRENT);
	spec.sport = PORT;
	packet_build(&spec, &in);
	assert_int_equal(nat_play_client(p, PORT, TCP_RST | TCP_ACK_FLAG, NULL), nat_lab_sent(p));
	explain(&x, &in, &t);
	assert_int_equal(t.result, EXPLAIN_TX);
	/* As many are young as may be: its own makes room, and others find none. */
	nat_lab_state(p, &state);
	state.max_young = state.young;
	nat_lab_state_set(p, &state);
	explain(&x, &in, &t);
	assert_int_equal(t.result, EXPLAIN_TX);
	spec.sport = PORT + 1;
	spec.src = "198.51.100.99";
	packet_build(&spec, &in);
	explain(&x, &in, &t);
	assert_int_equal(t.reason, DROP_NAT_FULL);
	assert_int_equal(nat_lab_stats(p, false).full, 0);
	assert_int_equal(plane_run(p, &in, NULL), PLANE_DROP);
	assert_int_equal(nat_lab_stats(p, false).full, 1);
	plane_explain_close(&x);
}

int main(void)
{
	plane_case_table(test_life, lives, sizeof(lives[0]), sizeof(lives) / sizeof(lives[0]));
	plane_case_add("packets hold a flow; who is closed may begin anew", test_held);
	plane_case_add("a flood has its share of the slots, and is forgotten", test_flood);
	plane_case_add("a flood that is over leaves room, whoever is there", test_flood_alone);
	plane_case_table(test_exhausted, twins, sizeof(twins[0]), sizeof(twins) / sizeof(twins[0]));
	plane_case_add("flows go on, end and begin while tuples are moved", test_old_tuples);
	plane_case_add("a client that ends the flow at once has proven it", test_ends_at_once);
	plane_case_add("shorter timeouts hold from the next packet on", test_shorter);
	plane_case_add("two addresses have twice the ports", test_addresses);
	plane_case_add("ports of a CPU are used up, and free again with their flows", test_ports);
	plane_case_add("flows end with their backend", test_dead);
	plane_case_add("a vip of another mode sends flows that were translated", test_mode_changes);
	plane_case_table(test_concurrent, counts, sizeof(counts[0]),
			 sizeof(counts) / sizeof(counts[0]));
	plane_case_add("who explains leaves flows as they are", test_explained);
	plane_case_add("a flow that would begin is explained as it then begins",
		       test_explained_beginning);
	return plane_case_run("nat_flow");
}
