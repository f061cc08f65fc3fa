/* SPDX-License-Identifier: BSD-2-Clause */
/* The guard of vips: what checks the source of a SYN, whom it leaves alone, and when it is on. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "guard_lab.h"
#include "lib/proto.h"

#define VIP	1
#define VIP2	2
#define VIP4	"192.0.2.10"
#define VIP6	"2001:db8::10"
#define CLIENT4 "198.51.100.7"
#define CLIENT6 "2001:db8:9::7"

static const struct guard always = { .mode = GUARD_ALWAYS };
static const struct guard plain = { .mode = GUARD_ALWAYS, .reset = GUARD_PLAIN };

static void open_vips(struct plane *p)
{
	plane_vip(p, VIP, VIP4, 80, PROTO_TCP, 0);
	plane_vip(p, VIP, VIP6, 80, PROTO_TCP, 0);
	plane_vip(p, VIP2, "192.0.2.11", 80, PROTO_TCP, 0);
	plane_vip_fragments(p, VIP4, 80, PROTO_TCP);
	plane_backend(p, 1, PLANE_ELSEWHERE, 1500);
	plane_ring(p, VIP, 1, 1);
	plane_ring(p, VIP2, 1, 1);
}

static const struct guard_place vips[] = {
	{ "the source of a SYN to a vip is checked, IPv4", CLIENT4, VIP4, 0, GUARD_LAB_MSS_LO4 },
	{ "the source of a SYN to a vip is checked, IPv6", CLIENT6, VIP6, 0, GUARD_LAB_MSS_LO6 },
	{ "the source of a SYN behind a tag is checked", CLIENT4, VIP4, 1, GUARD_LAB_MSS_LO4 },
};

static void test_challenge(struct plane *p, const void *row)
{
	const struct guard_place *at = row;
	struct guard_segment syn = guard_lab_syn(at->src, at->dst, 80), rst;
	struct packet in, out = { 0 };
	uint32_t asked;

	open_vips(p);
	guard_lab_set(p, VIP, &always);
	syn.spec.tags = at->tags;
	guard_lab_build(&syn, &in);
	assert_true(guard_lab_replied(p, guard_lab_send(p, &syn, &out)));
	guard_lab_check_turned(&in, &out);
	asked = guard_lab_get32(out.bytes + out.l4 + 8);
	/* Not in (GUARD_LAB_ISN, GUARD_LAB_ISN + 1]: the client's stack resets it, by that number. */
	assert_int_not_equal(asked, GUARD_LAB_ISN + 1);
	assert_int_equal(out.bytes[out.l4 + 14] | out.bytes[out.l4 + 15], 0);
	assert_int_equal(guard_lab_get32(out.bytes + out.l4 + 20), 0x02040000U | at->mss);
	assert_int_equal(guard_lab_count(p, VIP, GUARD_COUNT_CHALLENGE), 1);

	rst = guard_lab_bare(syn, TCP_RST, asked + 0x1000000, 0);
	guard_lab_send(p, &rst, NULL);
	rst = guard_lab_bare(syn, TCP_RST, asked, 0);
	rst.spec.sport ^= 1;
	guard_lab_send(p, &rst, NULL);
	/* Nor is an acknowledgement of that number any proof. */
	rst = guard_lab_bare(syn, TCP_ACK_FLAG, GUARD_LAB_ISN + 1, asked + 1);
	guard_lab_send(p, &rst, NULL);
	assert_false(plane_is_proven(p, at->src, LIMIT_CLASS_NONE));
	assert_true(guard_lab_replied(p, guard_lab_send(p, &syn, NULL)));
	rst = guard_lab_bare(syn, TCP_RST, asked, 0);
	assert_int_equal(guard_lab_send(p, &rst, NULL), PLANE_REDIRECT);
	assert_true(plane_is_proven(p, at->src, LIMIT_CLASS_NONE));
	assert_int_equal(guard_lab_count(p, VIP, GUARD_COUNT_CHALLENGE_OK), 1);

	out.len = 0;
	assert_int_equal(guard_lab_send(p, &syn, &out), PLANE_REDIRECT);
	/* To the backend, not turned around. */
	assert_memory_equal(out.bytes + in.l4, in.bytes + in.l4, in.len - in.l4);
	assert_int_equal(guard_lab_count(p, VIP, GUARD_COUNT_PROVEN), 1);
}

static const struct guard_place plains[] = {
	{ "a plain answer proves the source by its acknowledgement, IPv4", CLIENT4, VIP4, 0, 0 },
	{ "a plain answer proves the source by its acknowledgement, IPv6", CLIENT6, VIP6, 0, 0 },
};

static void test_plain(struct plane *p, const void *row)
{
	const struct guard_place *at = row;
	struct guard_segment syn = guard_lab_syn(at->src, at->dst, 80), ack;
	struct packet in, out = { 0 };
	uint32_t cookie;

	open_vips(p);
	guard_lab_set(p, VIP, &plain);
	syn.spec.tags = at->tags;
	guard_lab_build(&syn, &in);
	assert_true(guard_lab_replied(p, guard_lab_send(p, &syn, &out)));
	guard_lab_check_turned(&in, &out);
	assert_int_equal(guard_lab_get32(out.bytes + out.l4 + 8), GUARD_LAB_ISN + 1);
	cookie = guard_lab_get32(out.bytes + out.l4 + 4);
	ack = guard_lab_bare(syn, TCP_ACK_FLAG, GUARD_LAB_ISN + 1, cookie + 0x1000001);
	assert_int_equal(guard_lab_send(p, &ack, NULL), PLANE_REDIRECT);
	ack = guard_lab_bare(syn, TCP_RST, cookie, 0);
	guard_lab_send(p, &ack, NULL);
	assert_false(plane_is_proven(p, at->src, LIMIT_CLASS_NONE));
	ack = guard_lab_bare(syn, TCP_ACK_FLAG, GUARD_LAB_ISN + 1, cookie + 1);
	assert_int_equal(guard_lab_send(p, &ack, NULL), PLANE_REDIRECT);
	assert_true(plane_is_proven(p, at->src, LIMIT_CLASS_NONE));
}

struct untouched {
	const char *sentence;
	struct packet_spec spec;
	enum plane_action action;
	enum drop_reason reason;
};

#define TO_VIP .src = CLIENT4, .dst = VIP4, .proto = PROTO_TCP, .sport = 40000, .dport = 80
#define SYN    .tcp_flags = TCP_SYN_FLAG

static const struct packet_spec quoted = { .src = VIP4,
					   .dst = CLIENT4,
					   .proto = PROTO_TCP,
					   .sport = 80,
					   .dport = 40000,
					   .tcp_flags = TCP_SYN_FLAG };

static const struct untouched others[] = {
	{ "a SYN with data to a guarded vip is dropped",
	  { TO_VIP, SYN, .payload_bytes = 10 },
	  PLANE_DROP,
	  DROP_GUARD_SYN },
	{ "a SYN behind IP options to a guarded vip is dropped",
	  { TO_VIP, SYN, .option_bytes = 8 },
	  PLANE_DROP,
	  DROP_GUARD_SYN },
	{ "a SYN in a first fragment to a guarded vip is dropped",
	  { TO_VIP, SYN, .frag_more = true },
	  PLANE_DROP,
	  DROP_GUARD_SYN },
	{ "a SYN with FIN to a guarded vip is dropped",
	  { TO_VIP, .tcp_flags = TCP_SYN_FLAG | TCP_FIN },
	  PLANE_DROP,
	  DROP_GUARD_SYN },
	{ "a later fragment is not touched",
	  { TO_VIP, .frag_offset = 9, .payload_bytes = 16 },
	  PLANE_REDIRECT,
	  DROP_NONE },
	{ "an acknowledgement to a vip is not touched",
	  { TO_VIP, .tcp_flags = TCP_ACK_FLAG, .payload_bytes = 99 },
	  PLANE_REDIRECT,
	  DROP_NONE },
	{ "an ICMP error about a guarded vip is not touched",
	  { .src = "203.0.113.5",
	    .dst = VIP4,
	    .proto = PROTO_ICMP,
	    .icmp_type = 3,
	    .quoted = &quoted,
	    .quoted_l4_bytes = 20 },
	  PLANE_REDIRECT,
	  DROP_NONE },
	{ "a ping is not touched",
	  { .src = CLIENT4, .dst = VIP4, .proto = PROTO_ICMP, .icmp_type = 8 },
	  PLANE_PASS,
	  DROP_NONE },
	{ "UDP is not touched",
	  { .src = CLIENT4, .dst = VIP4, .proto = PROTO_UDP, .dport = 80 },
	  PLANE_PASS,
	  DROP_NONE },
	{ "a SYN to a vip without guard is not touched",
	  { .src = CLIENT4, .dst = "192.0.2.11", .proto = PROTO_TCP, .dport = 80, SYN },
	  PLANE_REDIRECT,
	  DROP_NONE },
};

static void test_other(struct plane *p, const void *row)
{
	const struct untouched *c = row;
	struct guard_segment syn = guard_lab_syn("203.0.113.77", VIP4, 80);
	struct packet in, out = { 0 };

	open_vips(p);
	guard_lab_set(p, VIP, &always);
	/* So that the program knows that a guard is on. */
	assert_true(guard_lab_replied(p, guard_lab_send(p, &syn, NULL)));
	packet_build(&c->spec, &in);
	assert_int_equal(plane_run(p, &in, &out), c->action);
	if (c->reason != DROP_NONE)
		assert_int_equal(plane_drops(p, c->reason).packets, 1);
	else
		assert_memory_equal(out.bytes + in.l3, in.bytes + in.l3, in.len - in.l3);
}

static void test_exempt(struct plane *p, const void *row)
{
	struct guard_segment syn = guard_lab_syn(CLIENT4, VIP4, 80);

	(void)row;
	open_vips(p);
	guard_lab_set(p, VIP, &always);
	plane_acl(p, SOURCE_LIST_ALLOW, CLIENT4, 32);
	assert_int_equal(guard_lab_send(p, &syn, NULL), PLANE_REDIRECT);
	assert_int_equal(guard_lab_count(p, VIP, GUARD_COUNT_CHALLENGE), 0);
	plane_acl_remove(p, SOURCE_LIST_ALLOW, CLIENT4, 32);
	plane_prove(p, CLIENT4, LIMIT_CLASS_NONE);
	assert_int_equal(guard_lab_send(p, &syn, NULL), PLANE_REDIRECT);
	assert_int_equal(guard_lab_count(p, VIP, GUARD_COUNT_PROVEN), 1);
}

/* How many of n SYNs, evenly over a second, were answered. */
static uint32_t syns_of_a_second(struct plane *p, const char *vip, uint32_t n)
{
	struct guard_segment syn = guard_lab_syn(CLIENT4, vip, 80);
	uint32_t answered = 0, i;

	for (i = 0; i < n; i++) {
		uint64_t before = guard_lab_count(p, VIP, GUARD_COUNT_CHALLENGE);

		guard_lab_send(p, &syn, NULL);
		answered += guard_lab_count(p, VIP, GUARD_COUNT_CHALLENGE) > before;
		*p->now_ns += PLANE_SECOND / n;
	}
	return answered;
}

static void test_hysteresis(struct plane *p, const void *row)
{
	struct guard g = {
		.mode = GUARD_AUTO, .on_per_s = 100, .off_per_s = 50, .hold_ns = 5 * PLANE_SECOND
	};
	uint32_t i;

	(void)row;
	open_vips(p);
	guard_lab_set(p, VIP, &g);
	for (i = 0; i < 10; i++)
		assert_int_equal(syns_of_a_second(p, VIP4, 90), 0);
	assert_int_equal(guard_lab_get(p, VIP).turns, 0);
	/* The 100th of a second, one that begins with the first, is the first to be answered. */
	*p->now_ns += PLANE_SECOND;
	assert_int_equal(syns_of_a_second(p, VIP4, 200), 101);
	assert_int_equal(guard_lab_get(p, VIP).turns, 1);
	/* Between the two it stays on, however long. */
	for (i = 0; i < 20; i++)
		assert_int_equal(syns_of_a_second(p, VIP4, 60), 60);
	/* Below both, for as long as it holds on. */
	for (i = 0; i < 4; i++)
		assert_int_equal(syns_of_a_second(p, VIP4, 40), 40);
	for (i = 0; i < 2; i++)
		syns_of_a_second(p, VIP4, 40);
	for (i = 0; i < 10; i++)
		assert_int_equal(syns_of_a_second(p, VIP4, 90), 0);
	assert_int_equal(guard_lab_get(p, VIP).turns, 1);
	*p->now_ns += PLANE_SECOND;
	assert_int_equal(syns_of_a_second(p, VIP4, 200), 101);
	assert_int_equal(guard_lab_get(p, VIP).turns, 2);
	/* Without a single packet it ends as well. */
	*p->now_ns += 6 * PLANE_SECOND;
	assert_int_equal(syns_of_a_second(p, VIP4, 90), 0);
}

/* Others shipped a counter that also counted who only asked whether there is a flood. */
static void test_only_syns_count(struct plane *p, const void *row)
{
	struct guard g = {
		.mode = GUARD_AUTO, .on_per_s = 100, .off_per_s = 90, .hold_ns = 5 * PLANE_SECOND
	};
	struct guard_segment syn = guard_lab_syn(CLIENT4, VIP4, 80), other;
	uint32_t turn, i;

	(void)row;
	open_vips(p);
	guard_lab_set(p, VIP, &g);
	for (turn = 0; turn < 3; turn++) { /* off, turned on, on */
		const uint32_t sent = turn == 1 ? 100 : 50;

		*p->now_ns += PLANE_SECOND;
		for (i = 0; i < sent; i++)
			guard_lab_send(p, &syn, NULL);
		assert_int_equal(guard_lab_get(p, VIP).syns, sent);
		for (i = 0; i < 300; i++) {
			other = guard_lab_bare(syn, i & 1 ? TCP_ACK_FLAG : TCP_RST, i, i);
			other.spec.sport = (uint16_t)(1000 + i);
			guard_lab_send(p, &other, NULL);
		}
		assert_int_equal(guard_lab_get(p, VIP).syns, sent);
		assert_int_equal(guard_lab_get(p, VIP).turns, turn > 0);
	}
}

static void test_per_vip(struct plane *p, const void *row)
{
	struct guard g = {
		.mode = GUARD_AUTO, .on_per_s = 10, .off_per_s = 5, .hold_ns = 5 * PLANE_SECOND
	};

	(void)row;
	open_vips(p);
	guard_lab_set(p, VIP, &g);
	guard_lab_set(p, VIP2, &g);
	guard_lab_set(p, GUARD_OWN, &g);
	assert_int_equal(syns_of_a_second(p, "192.0.2.11", 9), 0);
	assert_true(syns_of_a_second(p, VIP4, 100) > 80);
	assert_int_equal(guard_lab_get(p, VIP).turns, 1);
	assert_int_equal(guard_lab_get(p, VIP2).turns, 0);
	assert_int_equal(guard_lab_get(p, GUARD_OWN).syns, 0);
	guard_lab_set(p, VIP, &(struct guard) { .mode = GUARD_OFF });
	assert_int_equal(syns_of_a_second(p, VIP4, 100), 0);
}

#define TABLE(fn, rows) \
	plane_case_table(fn, rows, sizeof((rows)[0]), sizeof(rows) / sizeof((rows)[0]))

int main(void)
{
	uint16_t port;

	guard_lab_open(&port);
	TABLE(test_challenge, vips);
	TABLE(test_plain, plains);
	TABLE(test_other, others);
	plane_case_add("allowed and proven sources are left alone", test_exempt);
	plane_case_add("the rate of SYNs turns it on, and off with hysteresis", test_hysteresis);
	plane_case_add("only SYNs count, not who asks whether it is on", test_only_syns_count);
	plane_case_add("each vip has a guard of its own", test_per_vip);
	return plane_case_run("guard_vip");
}
