/* SPDX-License-Identifier: BSD-2-Clause */
/* What is too big on its way to a backend, and what its sender is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "lib/proto.h"
#include "plane_case.h"
#include "sluice/algo/csum.h"

#define VIP_V4	  "192.0.2.10"
#define VIP_V6	  "2001:db8:2::10"
#define MTU	  1480
#define QUOTE_V4  548
#define QUOTE_V6  1232
#define ANSWERS_S 1000 /* a tenth of them at once */

static const struct packet_spec udp = { .src = "198.51.100.7",
					.dst = VIP_V4,
					.proto = PROTO_UDP,
					.sport = 4000,
					.dport = 53,
					.payload_bytes = MTU - 28 + 1 };
static const struct packet_spec udp_v6 = { .src = "2001:db8:1::7",
					   .dst = VIP_V6,
					   .proto = PROTO_UDP,
					   .sport = 4000,
					   .dport = 53,
					   .payload_bytes = MTU - 48 + 1 };

static void balance(struct plane *p)
{
	plane_backend(p, 1, PLANE_LOOPBACK, MTU);
	plane_ring(p, 1, 1, 1);
	plane_vip(p, 1, VIP_V4, 53, PROTO_UDP, 0);
	plane_vip(p, 1, VIP_V6, 53, PROTO_UDP, 0);
	plane_vip_fragments(p, VIP_V4, 53, PROTO_UDP);
}

/* XDP sends back by the same device without help; TC always redirects. */
static enum plane_action sent(const struct plane *p)
{
	return p->hook == PLANE_XDP ? PLANE_TX : PLANE_REDIRECT;
}

static uint32_t at_16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

/* The sum of an ICMP message is 0 with its checksum in it. */
static bool sums_up(const uint8_t *ip, bool v6)
{
	uint64_t sum = 0;

	if (!v6)
		return csum_fold(csum_add_bytes(0, ip, 20)) == 0 &&
		       csum_fold(csum_add_bytes(0, ip + 20, 8 + QUOTE_V4)) == 0;
	sum = csum_add_bytes(sum, ip + 8, 32);
	sum = csum_add_bytes(sum, ip + 4, 2);
	sum = csum_add_bytes(sum, (const uint8_t[]) { 0, PROTO_ICMPV6 }, 2);
	return csum_fold(csum_add_bytes(sum, ip + 40, 8 + QUOTE_V6)) == 0;
}

static void check_v4(const uint8_t *in, const uint8_t *ip)
{
	assert_int_equal(at_16(ip), 0x45c0);
	assert_int_equal(at_16(ip + 2), 28 + QUOTE_V4);
	assert_int_equal(ip[9], PROTO_ICMP);
	assert_memory_equal(ip + 12, in + 16, 4);
	assert_memory_equal(ip + 16, in + 12, 4);
	assert_int_equal(at_16(ip + 20), 0x0304);
	assert_int_equal(at_16(ip + 24), 0);
	assert_int_equal(at_16(ip + 26), MTU);
	assert_memory_equal(ip + 28, in, QUOTE_V4);
}

static void check_v6(const uint8_t *in, const uint8_t *ip)
{
	assert_int_equal(at_16(ip + 4), 8 + QUOTE_V6);
	assert_int_equal(ip[6], PROTO_ICMPV6);
	assert_memory_equal(ip + 8, in + 24, 16);
	assert_memory_equal(ip + 24, in + 8, 16);
	assert_int_equal(at_16(ip + 40), 0x0200);
	assert_int_equal(at_16(ip + 44), 0);
	assert_int_equal(at_16(ip + 46), MTU);
	assert_memory_equal(ip + 48, in, QUOTE_V6);
}

static void check_answer(struct plane *p, const struct packet_spec *spec)
{
	bool v6 = spec->src == udp_v6.src;
	struct packet in, out;
	const uint8_t *ip;

	packet_build(spec, &in);
	assert_int_equal(plane_run(p, &in, &out), sent(p));
	assert_int_equal(out.len, in.l3 + (v6 ? 48 + QUOTE_V6 : 28 + QUOTE_V4));
	assert_memory_equal(out.bytes, in.bytes + 6, 6);
	assert_memory_equal(out.bytes + 6, in.bytes, 6);
	assert_memory_equal(out.bytes + 12, in.bytes + 12, in.l3 - 12);
	ip = out.bytes + in.l3;
	if (v6)
		check_v6(in.bytes + in.l3, ip);
	else
		check_v4(in.bytes + in.l3, ip);
	assert_true(sums_up(ip, v6));
}

static void test_answer(struct plane *p, const void *row)
{
	struct packet_spec specs[] = { udp, udp_v6 };
	struct stats_vip s;
	uint32_t i;

	(void)row;
	balance(p);
	for (i = 0; i < 2; i++) {
		specs[i].payload_bytes--;
		assert_int_equal(plane_run_spec(p, &specs[i]), sent(p));
		assert_int_equal(plane_actions(p, STATS_FORWARD).packets, i + 1);
		specs[i].payload_bytes++;
		check_answer(p, &specs[i]);
	}
	assert_int_equal(plane_actions(p, STATS_REPLY).packets, 2);
	assert_int_equal(plane_drops(p, DROP_TOO_BIG).packets, 2);
	plane_sum(p, "stats_vip", 1, &s, sizeof(s));
	assert_int_equal(s.forwarded.packets, 2);
	assert_int_equal(s.dropped.packets, 2);
}

/* Of TC, the kernel puts nothing into a frame with a tag inside. */
static void test_tags(struct plane *p, const void *row)
{
	struct packet_spec specs[] = { udp, udp_v6 };
	uint32_t i;

	(void)row;
	balance(p);
	for (i = 0; i < 4; i++) {
		struct packet_spec *spec = &specs[i / 2];

		spec->tags = 1 + i % 2;
		if (p->hook == PLANE_TC)
			assert_int_equal(plane_run_spec(p, spec), PLANE_DROP);
		else
			check_answer(p, spec);
	}
	assert_int_equal(plane_drops(p, DROP_TOO_BIG).packets, 4);
}

/* Every value of the word that the checksum goes by. */
static void test_checksums(struct plane *p, const void *row)
{
	struct packet in, out;
	uint32_t i;

	(void)row;
	balance(p);
	packet_build(&udp, &in);
	for (i = 0; i < 65536; i += 37) {
		if (i % 100 == 0)
			*p->now_ns += PLANE_SECOND;
		*p->now_ns += PLANE_SECOND / ANSWERS_S;
		in.bytes[in.l4 + 8] = (uint8_t)(i >> 8);
		in.bytes[in.l4 + 9] = (uint8_t)i;
		if (plane_run(p, &in, &out) != sent(p) || !sums_up(out.bytes + in.l3, false))
			fail_msg("%u", i);
	}
}

static void test_rate(struct plane *p, const void *row)
{
	uint32_t i, answered = 0;

	(void)row;
	balance(p);
	for (i = 0; i < 300; i++)
		answered += plane_run_spec(p, i & 1 ? &udp : &udp_v6) == sent(p);
	assert_int_equal(answered, ANSWERS_S / 10);
	*p->now_ns += PLANE_SECOND / 100;
	for (i = 0; i < 300; i++)
		answered += plane_run_spec(p, &udp) == sent(p);
	assert_int_equal(answered, ANSWERS_S / 10 + ANSWERS_S / 100);
	assert_int_equal(plane_drops(p, DROP_TOO_BIG).packets, 600);
}

static void test_no_answer(struct plane *p, const void *row)
{
	static const char *const nobody[] = { "0.0.0.1", "127.0.0.1", "224.0.0.1",
					      "255.255.255.255" };
	static const char *const nobody_v6[] = { "::1", "ff02::1" };
	struct packet_spec spec = udp;
	struct packet in;
	uint32_t i;

	(void)row;
	balance(p);
	for (i = 0; i < 4; i++) {
		spec.src = nobody[i];
		assert_int_equal(plane_run_spec(p, &spec), PLANE_DROP);
	}
	spec = udp_v6;
	for (i = 0; i < 2; i++) {
		spec.src = nobody_v6[i];
		assert_int_equal(plane_run_spec(p, &spec), PLANE_DROP);
	}
	spec = udp;
	spec.frag_more = true;
	assert_int_equal(plane_run_spec(p, &spec), PLANE_DROP);
	packet_build(&udp, &in);
	in.bytes[0] |= 1; /* to many */
	assert_int_equal(plane_run(p, &in, NULL), PLANE_DROP);
	/* An MTU that leaves too little to quote. */
	plane_backend(p, 1, PLANE_LOOPBACK, 400);
	spec = udp;
	spec.payload_bytes = 500;
	assert_int_equal(plane_run_spec(p, &spec), PLANE_DROP);
	assert_int_equal(plane_actions(p, STATS_REPLY).packets, 0);
	assert_int_equal(plane_drops(p, DROP_TOO_BIG).packets, 9);
}

/* Frames for many and, at TC, with a tag inside get no answer: they cost none either, and stay as they are. */
static void test_spends_nothing(struct plane *p, const void *row)
{
	struct packet_spec tagged = udp;
	struct packet in, out;
	uint32_t i;

	(void)row;
	balance(p);
	tagged.tags = p->hook == PLANE_TC;
	packet_build(&tagged, &in);
	in.bytes[0] |= !tagged.tags;
	for (i = 0; i < ANSWERS_S / 10; i++) {
		assert_int_equal(plane_run(p, &in, &out), PLANE_DROP);
		assert_int_equal(out.len, in.len);
		assert_memory_equal(out.bytes, in.bytes, in.len);
	}
	assert_int_equal(plane_run_spec(p, &udp), sent(p));
}

int main(void)
{
	static const struct plane_settings answers = { .too_big_per_s = ANSWERS_S };

	plane_case_settings(&answers);
	plane_case_add("what does not fit is answered with what would", test_answer);
	plane_case_add("VLAN tags stay on the answer", test_tags);
	plane_case_add("the answer's checksum is right", test_checksums);
	plane_case_add("answers are limited, all together", test_rate);
	plane_case_add("who must not be answered is not", test_no_answer);
	plane_case_add("what cannot be answered spends no answer", test_spends_nothing);
	return plane_case_run("mtu");
}
