/* SPDX-License-Identifier: BSD-2-Clause */
/* Echo requests to vips, answered at the edge. */
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

#define CLIENT	  "198.51.100.7"
#define CLIENT_V6 "2001:db8:1::7"
#define VIP_V4	  "192.0.2.10"
#define VIP_V6	  "2001:db8:2::10"
#define ANSWERS_S 1000 /* a tenth of them at once */

static const struct packet_spec ping = { .src = CLIENT,
					 .dst = VIP_V4,
					 .proto = PROTO_ICMP,
					 .icmp_type = ICMP_ECHO,
					 .payload_bytes = 56,
					 .hop_limit = 9 };
static const struct packet_spec ping_v6 = { .src = CLIENT_V6,
					    .dst = VIP_V6,
					    .proto = PROTO_ICMPV6,
					    .icmp_type = ICMPV6_ECHO,
					    .payload_bytes = 56,
					    .hop_limit = 9 };

/* Vip 1 of a port at both addresses, without a backend: none is asked. */
static void open_vip(struct plane *p, uint8_t proto, uint16_t flags)
{
	static const char *const at[] = { VIP_V4, VIP_V6 };
	struct vip v;
	uint32_t i;

	for (i = 0; i < 2; i++) {
		const struct vip_key key = { packet_addr(at[i]), __builtin_bswap16(80), proto, 0 };

		plane_vip(p, 1, at[i], 80, proto, 0);
		plane_vip_fragments(p, at[i], 80, proto);
		assert_int_equal(bpf_map_lookup_elem(plane_map(p, "vips"), &key, &v), 0);
		v.flags = flags;
		assert_int_equal(bpf_map_update_elem(plane_map(p, "vips"), &key, &v, BPF_ANY), 0);
	}
}

static enum plane_action sent(const struct plane *p)
{
	return p->hook == PLANE_XDP ? PLANE_TX : PLANE_REDIRECT;
}

static uint64_t sum_icmp(const struct packet *p, bool v6)
{
	const uint32_t bytes = p->len - p->l4;
	const uint8_t rest[4] = { (uint8_t)(bytes >> 8), (uint8_t)bytes, 0, PROTO_ICMPV6 };
	uint64_t sum = csum_add_bytes(0, p->bytes + p->l4, bytes);

	if (!v6)
		return sum;
	return csum_add_bytes(csum_add_bytes(sum, p->bytes + p->l3 + 8, 32), rest, 4);
}

static void make(const struct packet_spec *spec, struct packet *ret)
{
	const bool v6 = strchr(spec->src, ':');
	__sum16 sum;

	packet_build(spec, ret);
	memset(ret->bytes + ret->l4 + 2, 0, 2);
	sum = csum_fold(sum_icmp(ret, v6));
	memcpy(ret->bytes + ret->l4 + 2, &sum, 2);
}

static void check_answer(struct plane *p, const struct packet_spec *spec)
{
	const bool v6 = strchr(spec->src, ':');
	const uint32_t src = v6 ? 8 : 12, bytes = v6 ? 16 : 4;
	struct packet in, out;
	const uint8_t *ip;

	make(spec, &in);
	assert_int_equal(plane_run(p, &in, &out), sent(p));
	out.l3 = in.l3;
	out.l4 = in.l4;
	ip = out.bytes + in.l3;
	assert_int_equal(out.len, in.len);
	assert_memory_equal(out.bytes, in.bytes + 6, 6);
	assert_memory_equal(out.bytes + 6, in.bytes, 6);
	assert_memory_equal(out.bytes + 12, in.bytes + 12, in.l3 - 12);
	assert_int_equal(ip[v6 ? 7 : 8], 64);
	assert_memory_equal(ip + src, in.bytes + in.l3 + src + bytes, bytes);
	assert_memory_equal(ip + src + bytes, in.bytes + in.l3 + src, bytes);
	if (!v6)
		assert_int_equal(csum_fold(csum_add_bytes(0, ip, 20)), 0);
	assert_int_equal(out.bytes[in.l4], v6 ? ICMPV6_ECHO_REPLY : ICMP_ECHO_REPLY);
	assert_int_equal(csum_fold(sum_icmp(&out, v6)), 0);
	assert_memory_equal(out.bytes + in.l4 + 4, in.bytes + in.l4 + 4, in.len - in.l4 - 4);
}

static void test_answer(struct plane *p, const void *row)
{
	struct packet_spec specs[] = { ping, ping_v6 };
	uint32_t i;

	(void)row;
	open_vip(p, PROTO_TCP, VIP_ECHO);
	for (i = 0; i < 6; i++) {
		specs[i / 3].tags = i % 3;
		check_answer(p, &specs[i / 3]);
	}
	assert_int_equal(plane_actions(p, STATS_REPLY).packets, 6);
}

/* What is not a request to a vip that answers goes on to the host, as it came. */
static void test_others(struct plane *p, const void *row)
{
	struct packet_spec spec = ping;
	struct packet in, out;

	(void)row;
	open_vip(p, PROTO_TCP, 0);
	assert_int_equal(plane_run_spec(p, &ping), PLANE_PASS);
	open_vip(p, PROTO_TCP, VIP_ECHO);
	spec.dst = "192.0.2.11";
	assert_int_equal(plane_run_spec(p, &spec), PLANE_PASS);
	spec = ping;
	spec.icmp_type = ICMP_ECHO_REPLY;
	assert_int_equal(plane_run_spec(p, &spec), PLANE_PASS);
	spec = ping;
	spec.icmp_type = ICMPV6_ECHO; /* of the other version */
	assert_int_equal(plane_run_spec(p, &spec), PLANE_PASS);
	spec = ping;
	spec.option_bytes = 8;
	assert_int_equal(plane_run_spec(p, &spec), PLANE_PASS);
	spec = ping;
	spec.frag_more = true;
	assert_int_equal(plane_run_spec(p, &spec), PLANE_PASS);
	spec = ping_v6;
	spec.ext[0] = PROTO_DEST_OPTIONS;
	assert_int_equal(plane_run_spec(p, &spec), PLANE_PASS);
	make(&ping, &in);
	in.bytes[in.l4 + 1] = 1; /* a code */
	assert_int_equal(plane_run(p, &in, NULL), PLANE_PASS);
	make(&ping, &in);
	in.bytes[0] |= 1; /* to many */
	assert_int_equal(plane_run(p, &in, &out), PLANE_PASS);
	assert_int_equal(out.len, in.len);
	assert_memory_equal(out.bytes, in.bytes, in.len);
	assert_int_equal(plane_actions(p, STATS_REPLY).packets, 0);
}

static void test_nobody(struct plane *p, const void *row)
{
	static const char *const nobody[] = { "0.0.0.1", "127.0.0.1", "224.0.0.1",
					      "255.255.255.255" };
	static const char *const nobody_v6[] = { "::1", "ff02::1" };
	struct packet_spec spec = ping;
	uint32_t i;

	(void)row;
	open_vip(p, PROTO_TCP, VIP_ECHO);
	for (i = 0; i < 4; i++) {
		spec.src = nobody[i];
		assert_int_equal(plane_run_spec(p, &spec), PLANE_PASS);
	}
	spec = ping_v6;
	for (i = 0; i < 2; i++) {
		spec.src = nobody_v6[i];
		assert_int_equal(plane_run_spec(p, &spec), PLANE_PASS);
	}
}

/* A vip of UDP alone answers as well, and one of a prefix for all of it. */
static void test_udp_and_prefix(struct plane *p, const void *row)
{
	const struct vip_wide_key prefix = { VIP_WIDE_PROTO_BITS + 96 + 24, PROTO_UDP,
					     packet_addr("203.0.113.0") };
	const struct vip_wide wide = { .fragments = { packet_addr(VIP_V4), __builtin_bswap16(80),
						      PROTO_UDP, 0 } };
	struct packet_spec spec = ping;

	(void)row;
	open_vip(p, PROTO_UDP, VIP_ECHO);
	check_answer(p, &ping);
	spec.dst = "203.0.113.77";
	assert_int_equal(plane_run_spec(p, &spec), PLANE_PASS);
	assert_int_equal(bpf_map_update_elem(plane_map(p, "vip_wide"), &prefix, &wide, BPF_ANY), 0);
	check_answer(p, &spec);
}

/* Of data that make the sum zero, too. */
static void test_checksums(struct plane *p, const void *row)
{
	struct packet in, out;
	__sum16 sum;
	uint32_t i;

	(void)row;
	open_vip(p, PROTO_TCP, VIP_ECHO);
	for (i = 0; i < 65536; i += i < 16 || i > 65520 ? 1 : 61) {
		*p->now_ns += PLANE_SECOND / ANSWERS_S;
		packet_build(&ping, &in);
		memset(in.bytes + in.l4 + 2, 0, in.len - in.l4 - 2);
		in.bytes[in.l4 + 6] = (uint8_t)(i >> 8);
		in.bytes[in.l4 + 7] = (uint8_t)i;
		sum = csum_fold(sum_icmp(&in, false));
		memcpy(in.bytes + in.l4 + 2, &sum, 2);
		assert_int_equal(plane_run(p, &in, &out), sent(p));
		out.l4 = in.l4;
		if (csum_fold(sum_icmp(&out, false)))
			fail_msg("%u", i);
	}
}

static void test_rate(struct plane *p, const void *row)
{
	uint32_t i, answered = 0;

	(void)row;
	open_vip(p, PROTO_TCP, VIP_ECHO);
	for (i = 0; i < 300; i++)
		answered += plane_run_spec(p, i & 1 ? &ping : &ping_v6) == sent(p);
	assert_int_equal(answered, ANSWERS_S / 10);
	assert_int_equal(plane_drops(p, DROP_ECHO).packets, 300 - answered);
	*p->now_ns += PLANE_SECOND / 100;
	for (i = 0; i < 300; i++)
		answered += plane_run_spec(p, &ping) == sent(p);
	assert_int_equal(answered, ANSWERS_S / 10 + ANSWERS_S / 100);
}

/* Lists and limits come first. */
static void test_policy(struct plane *p, const void *row)
{
	(void)row;
	open_vip(p, PROTO_TCP, VIP_ECHO);
	plane_acl(p, SOURCE_LIST_DENY, "198.51.100.0", 24);
	assert_int_equal(plane_run_spec(p, &ping), PLANE_DROP);
	assert_int_equal(plane_drops(p, DROP_ACL_DENY).packets, 1);
	check_answer(p, &ping_v6);
}

static void test_off(struct plane *p, const void *row)
{
	(void)row;
	open_vip(p, PROTO_TCP, VIP_ECHO);
	assert_int_equal(plane_run_spec(p, &ping), PLANE_PASS);
}

int main(void)
{
	static const struct plane_settings answers = { .echo_per_s = ANSWERS_S };

	plane_case_settings(&answers);
	plane_case_add("a vip answers, with tags and both families", test_answer);
	plane_case_add("all else goes to the host", test_others);
	plane_case_add("who is nobody gets no answer", test_nobody);
	plane_case_add("a vip of UDP answers as well", test_udp_and_prefix);
	plane_case_add("checksums, that of zeros included", test_checksums);
	plane_case_add("so many a second are answered", test_rate);
	plane_case_add("lists come first", test_policy);
	plane_case_settings(NULL);
	plane_case_add("with a rate of 0 all are the host's", test_off);
	return plane_case_run("vip_echo");
}
