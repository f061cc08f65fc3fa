/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The drop cache: what it answers, that it counts as the whole way does, and that nothing outlasts what
 * it was made of. plane_cache_hits tells a packet that it answered from one that went the whole way.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "lib/proto.h"
#include "plane_case.h"
#include "sluice/abi/capture.h"
#include "sluice/algo/gcra_rate.h"

#define SOURCE	  "198.51.100.7"
#define SOURCE_V6 "2001:db8:1:2::7"
#define VIP	  "192.0.2.10"
#define MS	  1000000ULL
#define CLASS	  1
#define FACTOR	  0x9e3779b97f4a7c15ULL /* of a program that nobody gave another */
#define BYTES	  (14 + 20 + 8 + 10)

#define FROM(s) .src = s, .dst = VIP, .sport = 4000, .dport = 53, .payload_bytes = 10

static const struct packet_spec udp = { FROM(SOURCE), .proto = PROTO_UDP };
static const struct packet_spec ack = { FROM(SOURCE), .proto = PROTO_TCP,
					.tcp_flags = TCP_ACK_FLAG };
static const struct packet_spec syn = { FROM(SOURCE), .proto = PROTO_TCP,
					.tcp_flags = TCP_SYN_FLAG };
static const struct packet_spec v6 = { .src = SOURCE_V6,
				       .dst = "2001:db8:2::10",
				       .proto = PROTO_UDP,
				       .sport = 4000,
				       .dport = 53 };

/* Sent n times: how many were dropped, and how many of those by the cache. */
struct came {
	uint32_t dropped, hits;
};

static struct came send_n(struct plane *p, const struct packet_spec *spec, uint32_t n)
{
	struct came c = { 0 };
	struct packet packet;
	uint64_t before;
	uint32_t i;

	packet_build(spec, &packet);
	for (i = 0; i < n; i++) {
		before = plane_cache_hits(p);
		c.dropped += plane_run(p, &packet, NULL) == PLANE_DROP;
		c.hits += plane_cache_hits(p) == before + 1;
	}
	return c;
}

static void expect(struct plane *p, const struct packet_spec *spec, uint32_t n, uint32_t dropped,
		   uint32_t hits)
{
	struct came c = send_n(p, spec, n);

	assert_int_equal(c.dropped, dropped);
	assert_int_equal(c.hits, hits);
}

static void expect_drops(struct plane *p, enum drop_reason reason, uint64_t packets, uint64_t bytes)
{
	assert_int_equal(plane_drops(p, reason).packets, packets);
	assert_int_equal(plane_drops(p, reason).bytes, bytes);
	assert_int_equal(plane_drops(p, DROP_NONE).packets, packets);
	assert_int_equal(plane_drops(p, DROP_NONE).bytes, bytes);
	assert_int_equal(plane_actions(p, STATS_DROP).packets, packets);
	assert_int_equal(plane_actions(p, STATS_DROP).bytes, bytes);
}

static void test_deny(struct plane *p, const void *row)
{
	(void)row;
	plane_acl(p, SOURCE_LIST_DENY, SOURCE, 32);
	expect(p, &udp, 5, 5, 4);
	expect(p, &ack, 5, 5, 5);
	expect(p, &syn, 5, 5, 5);
	expect_drops(p, DROP_ACL_DENY, 15, 5 * BYTES + 10 * (BYTES + 12));
	expect(p, &(struct packet_spec) { FROM("198.51.100.8"), .proto = PROTO_UDP }, 1, 0, 0);
}

static void test_deny_v6(struct plane *p, const void *row)
{
	struct packet_spec other = v6, discovery = v6;

	(void)row;
	plane_acl(p, SOURCE_LIST_DENY, SOURCE_V6, 64);
	expect(p, &v6, 5, 5, 4);
	expect_drops(p, DROP_ACL_DENY, 5, 5 * (14 + 40 + 8));
	other.src = "2001:db8:1:2:ffff::9";
	expect(p, &other, 1, 1, 1);
	discovery.proto = PROTO_ICMPV6;
	discovery.icmp_type = 135;
	discovery.hop_limit = 255;
	expect(p, &discovery, 2, 0, 0);
	/* The same 64 bits as an IPv4 source, and another one. */
	plane_acl(p, SOURCE_LIST_DENY, "198.51.100.7", 32);
	expect(p, &udp, 2, 2, 1);
	other.src = "0:ffff:c633:6407::1";
	expect(p, &other, 2, 0, 0);
}

/* Packets that are no plain ones go the whole way: dropped for the same reason, or for what is wrong. */
struct odd {
	const char *sentence;
	struct packet_spec spec;
	enum drop_reason reason;
};

static const struct odd odds[] = {
	{ "a tagged packet", { FROM(SOURCE), .proto = PROTO_UDP, .tags = 1 }, DROP_ACL_DENY },
	{ "IP options", { FROM(SOURCE), .proto = PROTO_UDP, .option_bytes = 4 }, DROP_ACL_DENY },
	{ "a first fragment",
	  { FROM(SOURCE), .proto = PROTO_UDP, .frag_more = true },
	  DROP_ACL_DENY },
	{ "a later fragment",
	  { FROM(SOURCE), .proto = PROTO_UDP, .frag_offset = 9 },
	  DROP_ACL_DENY },
	{ "another transport", { FROM(SOURCE), .proto = 47 }, DROP_ACL_DENY },
	{ "a length beyond the frame",
	  { FROM(SOURCE), .proto = PROTO_UDP, .length_lie = 1 },
	  DROP_MALFORMED },
	{ "a length below UDP's header",
	  { FROM(SOURCE), .proto = PROTO_UDP, .length_lie = -11 },
	  DROP_MALFORMED },
	{ "a UDP length below its header",
	  { FROM(SOURCE), .proto = PROTO_UDP, .udp_length = 7 },
	  DROP_MALFORMED },
	{ "a TCP header longer than the packet",
	  { FROM(SOURCE), .proto = PROTO_TCP, .doff = 15 },
	  DROP_MALFORMED },
	{ "a TCP header shorter than any",
	  { FROM(SOURCE), .proto = PROTO_TCP, .doff = 4 },
	  DROP_MALFORMED },
	{ "another version", { FROM(SOURCE), .proto = PROTO_UDP, .version = 5 }, DROP_MALFORMED },
};

static void test_odd(struct plane *p, const void *row)
{
	const struct odd *o = row;
	uint64_t before;

	plane_acl(p, SOURCE_LIST_DENY, SOURCE, 32);
	expect(p, &udp, 2, 2, 1);
	before = plane_drops(p, o->reason).packets;
	expect(p, &o->spec, 2, 2, 0);
	assert_int_equal(plane_drops(p, o->reason).packets, before + 2);
	expect(p, &udp, 1, 1, 1);
}

static void test_verdict(struct plane *p, const void *row)
{
	__u64 start = *p->now_ns;

	(void)row;
	plane_verdict(p, SOURCE, 32, VERDICT_DROP, start + 10);
	expect(p, &udp, 5, 5, 4);
	expect(p, &ack, 5, 5, 5);
	*p->now_ns = start + 9;
	expect(p, &udp, 1, 1, 1);
	assert_int_equal(plane_verdict_drops(p, SOURCE, 32), 11);
	assert_int_equal(plane_verdict_hits(p, &(struct verdict_key) { 128, packet_addr(SOURCE) }),
			 10);
	*p->now_ns = start + 10;
	expect(p, &udp, 1, 0, 0);
	assert_int_equal(plane_drops(p, DROP_VERDICT_SOURCE).packets, 11);
}

/* Of a prefix; its hits are its own, and the verdict on the address that expired gets none. */
static void test_verdict_wide(struct plane *p, const void *row)
{
	(void)row;
	plane_verdict(p, SOURCE, 32, VERDICT_DROP, *p->now_ns);
	plane_verdict(p, "198.51.100.0", 24, VERDICT_DROP, *p->now_ns + 10);
	expect(p, &udp, 5, 5, 4);
	expect(p, &(struct packet_spec) { FROM("198.51.100.8"), .proto = PROTO_UDP }, 3, 3, 2);
	assert_int_equal(plane_verdict_drops(p, "198.51.100.0", 24), 8);
	assert_int_equal(plane_verdict_drops(p, SOURCE, 32), 0);
	plane_verdict(p, "2001:db8:1::", 48, VERDICT_DROP, *p->now_ns + 10);
	expect(p, &v6, 3, 3, 2);
	assert_int_equal(plane_verdict_drops(p, "2001:db8:1::", 48), 3);
}

/* What of its packets is dropped depends on them. */
static void test_verdict_new(struct plane *p, const void *row)
{
	(void)row;
	plane_verdict(p, SOURCE, 32, VERDICT_DROP_NEW, *p->now_ns + 10);
	expect(p, &udp, 3, 3, 0);
	expect(p, &ack, 1, 0, 0);
	plane_verdict(p, "198.51.100.0", 24, VERDICT_DROP, *p->now_ns + 10);
	expect(p, &udp, 3, 3, 0);
	expect(p, &ack, 3, 3, 0);
	assert_int_equal(plane_verdict_drops(p, SOURCE, 32), 6);
	assert_int_equal(plane_verdict_drops(p, "198.51.100.0", 24), 3);
}

/* On a flow: others of the source pass. */
static void test_verdict_flow(struct plane *p, const void *row)
{
	struct flow_key flow = { .src = packet_addr(SOURCE),
				 .dst = packet_addr(VIP),
				 .sport = __builtin_bswap16(4000),
				 .dport = __builtin_bswap16(53),
				 .proto = PROTO_UDP };
	struct packet_spec other = udp;

	(void)row;
	plane_verdict_flow(p, &flow, VERDICT_DROP, *p->now_ns + 10);
	expect(p, &udp, 3, 3, 0);
	expect(p, &ack, 1, 0, 0);
	/* Nor is a limit's refusal remembered of who has one: the verdict comes first. */
	plane_limit(p, CLASS, LIMIT_PACKETS, 1, 1, false);
	plane_limit_prefix(p, "0.0.0.0", 0, CLASS);
	other.sport = 4001;
	expect(p, &other, 3, 2, 0);
}

static void limit_all(struct plane *p, enum limit_unit unit, uint64_t per_s, uint64_t burst)
{
	plane_limit(p, CLASS, unit, per_s, burst, false);
	plane_limit_prefix(p, "0.0.0.0", 0, CLASS);
	plane_limit_prefix(p, "::", 0, CLASS);
}

static void expect_limit_drops(struct plane *p, enum limit_unit unit, uint64_t packets)
{
	struct stats_limit s;

	plane_sum(p, "stats_limit", CLASS, &s, sizeof(s));
	assert_int_equal(s.dropped[unit].packets, packets);
	assert_int_equal(s.dropped[unit].bytes, packets * BYTES);
}

/* Until the nanosecond at which the next one passes. */
static void test_limit(struct plane *p, const void *row)
{
	uint32_t proven;

	(void)row;
	limit_all(p, LIMIT_PACKETS, 1000, 1);
	for (proven = 0; proven < 2; proven++) {
		*p->now_ns += PLANE_SECOND;
		if (proven)
			plane_prove(p, SOURCE, CLASS);
		expect(p, &udp, 1, 0, 0);
		expect(p, &udp, 5, 5, 4);
		expect(p, &v6, 1, 0, 0);
		*p->now_ns += MS - 1;
		assert_int_equal(send_n(p, &udp, 1).dropped, 1);
		*p->now_ns += 1;
		expect(p, &udp, 1, 0, 0);
		expect(p, &udp, 1, 1, 0);
	}
	expect_limit_drops(p, LIMIT_PACKETS, 14);
}

/* A packet that is shorter than the one refused may pass, and does. */
static void test_limit_bytes(struct plane *p, const void *row)
{
	struct packet_spec shorter = udp, longer = udp;

	(void)row;
	shorter.payload_bytes = 0;
	longer.payload_bytes = 11;
	limit_all(p, LIMIT_BYTES, 1000, 2 * BYTES - 5);
	expect(p, &udp, 4, 3, 2);
	expect(p, &longer, 1, 1, 1);
	expect(p, &shorter, 1, 0, 0);
	/* Two units refuse at different times: which one is counted cannot be remembered. */
	plane_limit(p, CLASS, LIMIT_PACKETS, 1000, 1000, false);
	expect(p, &udp, 3, 3, 0);
}

/* What does not bind all of a source's UDP, or is not only a refusal. */
static void test_limit_partial(struct plane *p, const void *row)
{
	const struct packet_spec tcp = ack;
	struct limit_state state;

	(void)row;
	limit_all(p, LIMIT_PACKETS, 1, 1);
	expect(p, &udp, 3, 2, 1);
	expect(p, &tcp, 3, 3, 0); /* it may prove its source */
	expect(p, &syn, 3, 3, 0); /* and these are the guard's first */

	plane_limit_kind(p, LIMIT_KIND_AMPLIFICATION, 2);
	expect(p, &udp, 3, 3, 0);
	plane_limit_kind(p, LIMIT_KIND_AMPLIFICATION, 0);
	expect(p, &udp, 3, 3, 2);

	plane_limit_state(p, &state);
	state.has_ports = 1;
	plane_limit_state_set(p, &state);
	expect(p, &udp, 3, 3, 0);
	state.has_ports = 0;
	plane_limit_state_set(p, &state);

	plane_vip(p, 1, "192.0.2.99", 53, PROTO_UDP, 0);
	expect(p, &udp, 3, 3, 0);
}

static void test_limit_order(struct plane *p, const void *row)
{
	(void)row;
	plane_limit(p, 2, LIMIT_PACKETS, 1000, 1000, false);
	limit_all(p, LIMIT_PACKETS, 1, 1);
	/* Asked second: the first might refuse before it does. */
	plane_limit_set(p, CLASS, 0, (const uint8_t[]) { 2, CLASS, 0 });
	expect(p, &udp, 4, 3, 0);
	plane_limit_set(p, CLASS, 0, (const uint8_t[]) { CLASS, 2, 0 });
	expect(p, &udp, 4, 4, 3);
	/* On trial nobody is refused; over its total, the source may be admitted by another's leave. */
	plane_limit(p, CLASS, LIMIT_PACKETS, 1, 1, true);
	expect(p, &udp, 4, 0, 0);
	plane_limit(p, CLASS, LIMIT_PACKETS, 1000, 1000, false);
	plane_limit_total(p, CLASS, LIMIT_PACKETS, 1, 1);
	*p->now_ns += PLANE_SECOND;
	assert_int_equal(send_n(p, &udp, 20).hits, 0);
}

/* Each change of policy holds for the next packet. */
static void test_changes(struct plane *p, const void *row)
{
	(void)row;
	plane_acl(p, SOURCE_LIST_DENY, "198.51.100.0", 24);
	expect(p, &udp, 3, 3, 2);
	plane_acl(p, SOURCE_LIST_ALLOW, SOURCE, 32);
	expect(p, &udp, 1, 0, 0);
	plane_acl_remove(p, SOURCE_LIST_ALLOW, SOURCE, 32);
	expect(p, &udp, 3, 3, 2);
	plane_acl_remove(p, SOURCE_LIST_DENY, "198.51.100.0", 24);
	expect(p, &udp, 1, 0, 0);

	plane_verdict(p, SOURCE, 32, VERDICT_DROP, *p->now_ns + PLANE_SECOND);
	expect(p, &udp, 3, 3, 2);
	plane_verdict_remove(p, SOURCE, 32);
	expect(p, &udp, 1, 0, 0);

	/* Of another source: this one's prefix has its bit in the filter of verdicts until a sweep. */
	limit_all(p, LIMIT_PACKETS, 1, 2);
	expect(p, &v6, 5, 3, 2);
	plane_limit(p, CLASS, LIMIT_PACKETS, 1, 3, false);
	expect(p, &v6, 1, 0, 0);
	expect(p, &v6, 3, 3, 2);
}

/* Who writes a map and says nothing is believed after a tick. */
static void test_unannounced(struct plane *p, const void *row)
{
	struct verdict_key key = { 128, packet_addr(SOURCE) };
	__u64 start = *p->now_ns;

	(void)row;
	plane_verdict(p, SOURCE, 32, VERDICT_DROP, start + PLANE_SECOND);
	expect(p, &udp, 2, 2, 1);
	assert_int_equal(bpf_map_delete_elem(plane_map(p, "verdict_source"), &key), 0);
	*p->now_ns = start + DROP_CACHE_LIFE_NS - 1;
	expect(p, &udp, 1, 1, 1);
	*p->now_ns = start + DROP_CACHE_LIFE_NS;
	expect(p, &udp, 1, 0, 0);
}

/* An IPv4 address whose entry has the slot of another's. */
static void same_slot(const char *address, char ret[16])
{
	struct addr a = packet_addr(address);
	uint64_t base = (uint64_t)a.w[2] << 32;
	uint32_t want = drop_cache_index(base | a.w[3], FACTOR), n;

	for (n = 1; n < 65536; n++) {
		snprintf(ret, 16, "203.0.%u.%u", n >> 8, n & 255);
		if (drop_cache_index(base | packet_addr(ret).w[3], FACTOR) == want)
			return;
	}
	fail_msg("no address in 65,535 has the slot of %s", address);
}

/* Two in one slot: who came first keeps it while it sends, and all that both send is counted. */
static void test_one_slot(struct plane *p, const void *row)
{
	char text[16];
	struct packet_spec other = udp;
	uint32_t i, hits = 0, other_hits = 0;

	(void)row;
	same_slot(SOURCE, text);
	other.src = text;
	plane_verdict(p, SOURCE, 32, VERDICT_DROP, *p->now_ns + PLANE_SECOND);
	plane_verdict(p, text, 32, VERDICT_DROP, *p->now_ns + PLANE_SECOND);
	for (i = 0; i < 100; i++) {
		hits += send_n(p, &udp, 1).hits;
		other_hits += send_n(p, &other, 1).hits;
	}
	assert_int_equal(hits, 99);
	assert_int_equal(other_hits, 0);
	/* It is silent: after a few knocks the slot is the other's, and its hits are the verdict's. */
	for (i = 0; i < 100; i++)
		other_hits += send_n(p, &other, 1).hits;
	assert_in_range(other_hits, 70, 99);
	assert_int_equal(plane_verdict_drops(p, SOURCE, 32), 100);
	assert_int_equal(plane_verdict_drops(p, text, 32), 200);
	assert_int_equal(plane_verdict_hits(p, &(struct verdict_key) { 128, packet_addr(SOURCE) }),
			 0);
	expect_drops(p, DROP_VERDICT_SOURCE, 300, 300 * BYTES);
}

/* While somebody captures, every drop goes the whole way. */
static void test_capture(struct plane *p, const void *row)
{
	struct capture c = { .until_ns = *p->now_ns + PLANE_SECOND };

	(void)row;
	plane_acl(p, SOURCE_LIST_DENY, SOURCE, 32);
	expect(p, &udp, 2, 2, 1);
	assert_int_equal(bpf_map_update_elem(plane_map(p, "capture"), &(uint32_t) { 0 }, &c, 0), 0);
	plane_changed(p);
	expect(p, &udp, 3, 3, 0);
}

/* A merged packet counts as many, which the whole way knows. */
static void test_merged(struct plane *p, const void *row)
{
	const struct plane_gso gso = { .segments = 4, .payload_bytes = 100 };
	struct packet_spec spec = udp;
	struct packet packet;

	(void)row;
	if (p->hook == PLANE_XDP)
		return; /* before GRO */
	spec.payload_bytes = 400;
	packet_build(&spec, &packet);
	plane_acl(p, SOURCE_LIST_DENY, SOURCE, 32);
	expect(p, &udp, 2, 2, 1);
	assert_int_equal(plane_run_gso(p, &packet, &gso), PLANE_DROP);
	assert_int_equal(plane_drops(p, DROP_ACL_DENY).packets, 2 + 4);
}

/* Events are written and suppressed as without the cache. */
static void test_events(struct plane *p, const void *row)
{
	struct event_meter meter;
	uint32_t reason = DROP_ACL_DENY;
	uint64_t pending;

	(void)row;
	plane_acl(p, SOURCE_LIST_DENY, SOURCE, 32);
	/* The first of each life of an entry goes the whole way, and so may be an event; all others count. */
	expect(p, &udp, 10, 10, 9);
	expect(p, &udp, 40, 40, 40);
	*p->now_ns += 10 * MS;
	expect(p, &udp, 2, 2, 1);
	assert_int_equal(bpf_map_lookup_elem(plane_map(p, "event_meter"), &reason, &meter), 0);
	plane_sum(p, "event_pending", reason, &pending, sizeof(pending));
	assert_int_equal(meter.suppressed + pending, 50);
}

/* With the clocks of the kernel: counted all the same, and refused no more than the rate says. */
static void test_real_clock(struct plane *p, const void *row)
{
	struct packet packet;
	uint64_t admitted;

	(void)row;
	packet_build(&udp, &packet);
	plane_acl(p, SOURCE_LIST_DENY, SOURCE, 32);
	assert_int_equal(plane_run_many(p, &packet, 10000), 0);
	expect_drops(p, DROP_ACL_DENY, 10000, 10000 * BYTES);
	assert_true(plane_cache_hits(p) > 0);
	plane_acl_remove(p, SOURCE_LIST_DENY, SOURCE, 32);
	limit_all(p, LIMIT_PACKETS, 1, 5);
	admitted = plane_run_many(p, &packet, 10000);
	assert_in_range(admitted, 5, 6 + 10000);
	assert_true(plane_cache_hits(p) > 0);
	assert_int_equal(plane_drops(p, DROP_LIMIT_PACKETS).packets, 10000 - admitted);
}

/* A few at a time, so that what is lost of the count with each tick (hits begin anew) is but a few. */
#define ROUND  100
#define ROUNDS 200

/* How many of ROUNDS * ROUND the cache answered, at least. */
static uint64_t answered(struct plane *p, const struct packet *packet)
{
	uint64_t before = plane_cache_hits(p), sum = 0, after;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		plane_run_many(p, packet, ROUND); /* one in a second is admitted */
		after = plane_cache_hits(p);
		sum += after >= before ? after - before : after;
		before = after;
	}
	return sum;
}

/*
 * An event that is due, as one is nearly always here, is no reason to look for it: one packet a tick goes
 * the whole way. Ticks take a millisecond at least, so as many as have passed, and two, may each have
 * lost a round's count; a sixteenth is for clocks that stand still.
 */
static void test_events_due(struct plane *p, const void *row)
{
	struct packet packet;
	struct timespec from, to;
	uint64_t least = ROUNDS * ROUND - ROUNDS * ROUND / 16, ticks, hits;

	(void)row;
	if (p->hook == PLANE_XDP)
		return; /* the same code, and each round waits 20 ms for the kernel's dispatcher */
	packet_build(&udp, &packet);
	limit_all(p, LIMIT_PACKETS, 1, 1);
	plane_run_many(p, &packet, ROUND);
	clock_gettime(CLOCK_MONOTONIC, &from);
	hits = answered(p, &packet);
	clock_gettime(CLOCK_MONOTONIC, &to);
	ticks = (uint64_t)(to.tv_sec - from.tv_sec) * 1000 + 1 +
		(uint64_t)((to.tv_nsec - from.tv_nsec) / (long)MS);
	print_message("%u of %u in up to %u ticks\n", (unsigned int)hits, ROUNDS * ROUND,
		      (unsigned int)ticks);
	if (ticks + 2 < least / ROUND)
		assert_in_range(hits, least - (ticks + 2) * ROUND, ROUNDS * ROUND);
}

/* The cache is a CPU's own. */
static void stay_on_one_cpu(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET((size_t)sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
}

int main(void)
{
	static const struct plane_settings quiet = { .no_top = true };
	static const struct plane_settings events = { .no_top = true, .events_per_s = 100 };
	/* Events are due all the time: a tenth of a millisecond after the last one. */
	static const struct plane_settings real = { .no_top = true,
						    .events_per_s = 10000,
						    .real_clock = true };

	stay_on_one_cpu();
	plane_case_settings(&quiet);
	plane_case_add("a denied source's plain packets are answered at once", test_deny);
	plane_case_add("and an IPv6 /64's, discovery aside", test_deny_v6);
	plane_case_table(test_odd, odds, sizeof(odds[0]), sizeof(odds) / sizeof(odds[0]));
	plane_case_add("a verdict's, until it ends", test_verdict);
	plane_case_add("a wider verdict's, on its account", test_verdict_wide);
	plane_case_add("a verdict on new connections is not remembered", test_verdict_new);
	plane_case_add("a verdict on a flow is not remembered", test_verdict_flow);
	plane_case_add("a limit's refusal, until the next packet may pass", test_limit);
	plane_case_add("a limit of bytes, but for shorter packets", test_limit_bytes);
	plane_case_add("a limit that does not bind all UDP is not remembered", test_limit_partial);
	plane_case_add("nor one that is not the first to be asked", test_limit_order);
	plane_case_add("each change holds for the next packet", test_changes);
	plane_case_add("an unannounced change holds after a tick", test_unannounced);
	plane_case_add("two sources in one slot are both counted", test_one_slot);
	plane_case_add("a capture sees all", test_capture);
	plane_case_add("a merged packet is all of its segments", test_merged);
	plane_case_settings(&events);
	plane_case_add("what it answers are events that were suppressed", test_events);
	plane_case_settings(&real);
	plane_case_add("by the kernel's clocks", test_real_clock);
	plane_case_add("and whatever events are due", test_events_due);
	return plane_case_run("drop_cache");
}
