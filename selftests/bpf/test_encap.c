/* SPDX-License-Identifier: BSD-2-Clause */
/* Backends behind outer headers: what is put in front of a packet, and what becomes of the packet. */
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
#define EDGE_V4	  "10.1.0.1"
#define EDGE_V6	  "fd00:1::1"
#define BACKEND_4 "10.2.0.7"
#define BACKEND_6 "fd00:2::7"
#define MTU	  1480
#define GUE_PORT  6080

static const struct packet_spec tcp = { .src = "198.51.100.7",
					.dst = VIP_V4,
					.proto = PROTO_TCP,
					.sport = 4000,
					.dport = 80,
					.payload_bytes = 100 };
static const struct packet_spec tcp_v6 = { .src = "2001:db8:1::7",
					   .dst = VIP_V6,
					   .proto = PROTO_TCP,
					   .sport = 4000,
					   .dport = 80,
					   .payload_bytes = 100 };

/* Vip 1, TCP port 80 of both addresses, over one backend. */
static void balance(struct plane *p, enum backend_mode mode, bool outer_v6)
{
	struct backend b = { .addr = packet_addr(outer_v6 ? BACKEND_6 : BACKEND_4),
			     .source = packet_addr(outer_v6 ? EDGE_V6 : EDGE_V4),
			     .ifindex = PLANE_LOOPBACK,
			     .mtu = MTU,
			     .flags = BACKEND_READY,
			     .mode = (uint8_t)mode,
			     .dst_mac = { 0x02, 0xbb, 0, 0, 0, 1 },
			     .src_mac = { 0x02, 0xee, 0, 0, 0, 1 },
			     .port = __builtin_bswap16(GUE_PORT) };
	uint32_t id = 1;

	assert_int_equal(bpf_map_update_elem(plane_map(p, "backends"), &id, &b, BPF_ANY), 0);
	plane_ring(p, 1, 1, 1);
	plane_vip(p, 1, VIP_V4, 80, PROTO_TCP, 0);
	plane_vip(p, 1, VIP_V6, 80, PROTO_TCP, 0);
	plane_vip_fragments(p, VIP_V4, 80, PROTO_TCP);
}

static enum plane_action sent(const struct plane *p)
{
	return p->hook == PLANE_XDP ? PLANE_TX : PLANE_REDIRECT;
}

static uint32_t at_16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static bool sums_up(const uint8_t *ip)
{
	return csum_fold(csum_add_bytes(0, ip, 20)) == 0;
}

static void recompute(struct packet *p)
{
	uint8_t *ip = p->bytes + p->l3;
	__sum16 sum;

	memset(ip + 10, 0, 2);
	sum = csum_fold(csum_add_bytes(0, ip, 20));
	memcpy(ip + 10, &sum, 2);
}

struct shape {
	const char *sentence;
	enum backend_mode mode;
	const struct packet_spec *inner;
	bool outer_v6;
	uint32_t overhead;
};

static const struct shape shapes[] = {
	{ "ipip puts IPv4 into IPv4", BACKEND_IPIP, &tcp, false, 20 },
	{ "ipip puts IPv4 into IPv6", BACKEND_IPIP, &tcp, true, 40 },
	{ "ipip puts IPv6 into IPv6", BACKEND_IPIP, &tcp_v6, true, 40 },
	{ "gue puts IPv4 into UDP over IPv4", BACKEND_GUE, &tcp, false, 28 },
	{ "gue puts IPv4 into UDP over IPv6", BACKEND_GUE, &tcp, true, 48 },
	{ "gue puts IPv6 into UDP over IPv6", BACKEND_GUE, &tcp_v6, true, 48 },
};

static void check_addresses(const uint8_t *ip, bool v6)
{
	struct addr from = packet_addr(v6 ? EDGE_V6 : EDGE_V4);
	struct addr to = packet_addr(v6 ? BACKEND_6 : BACKEND_4);

	assert_memory_equal(ip + (v6 ? 8 : 12), from.b + (v6 ? 0 : 12), v6 ? 16 : 4);
	assert_memory_equal(ip + (v6 ? 24 : 16), to.b + (v6 ? 0 : 12), v6 ? 16 : 4);
}

/* The outer headers at ip, before inner_bytes of what is inside. */
static void check_outer(const struct shape *s, const uint8_t *ip, uint32_t inner_bytes)
{
	uint32_t udp_bytes = s->mode == BACKEND_GUE ? 8 : 0;
	uint32_t inside = udp_bytes ? PROTO_UDP : s->inner == &tcp ? PROTO_IPIP : PROTO_IPV6;
	const uint8_t *udp = ip + (s->outer_v6 ? 40 : 20);

	check_addresses(ip, s->outer_v6);
	if (s->outer_v6) {
		assert_int_equal(ip[0] >> 4, 6);
		assert_int_equal(at_16(ip + 4), inner_bytes + udp_bytes);
		assert_int_equal(ip[6], inside);
		assert_int_equal(ip[7], 64);
	} else {
		assert_int_equal(ip[0], 0x45);
		assert_int_equal(at_16(ip + 2), inner_bytes + s->overhead);
		assert_int_equal(ip[8], 64);
		assert_int_equal(ip[9], inside);
		assert_true(sums_up(ip));
	}
	if (!udp_bytes)
		return;
	assert_true(at_16(udp) >= 0xc000);
	assert_int_equal(at_16(udp + 2), GUE_PORT);
	assert_int_equal(at_16(udp + 4), inner_bytes + 8);
	assert_int_equal(at_16(udp + 6), 0);
}

static void check_inner(const struct packet *in, const uint8_t *after, bool v6)
{
	const uint8_t *before = in->bytes + in->l3;
	uint32_t bytes = in->len - in->l3, hop = v6 ? 7 : 8;

	assert_int_equal(after[hop], before[hop] - 1);
	assert_memory_equal(after, before, hop);
	if (!v6)
		assert_true(sums_up(after));
	/* The byte after the TTL, and all after the checksum. */
	assert_int_equal(after[hop + 1], before[hop + 1]);
	assert_memory_equal(after + 12, before + 12, bytes - 12);
}

static void test_shape(struct plane *p, const void *row)
{
	static const uint8_t link[12] = { 0x02, 0xbb, 0, 0, 0, 1, 0x02, 0xee, 0, 0, 0, 1 };
	const struct shape *s = row;
	struct packet_spec spec = *s->inner;
	struct packet in, out;
	bool v6 = s->inner == &tcp_v6;

	balance(p, s->mode, s->outer_v6);
	for (spec.tags = 0; spec.tags <= 2; spec.tags++) {
		packet_build(&spec, &in);
		if (p->hook == PLANE_TC && spec.tags) {
			assert_int_equal(plane_run(p, &in, &out), PLANE_DROP);
			assert_int_equal(plane_drops(p, DROP_ENCAP).packets, spec.tags);
			continue;
		}
		assert_int_equal(plane_run(p, &in, &out), sent(p));
		assert_int_equal(out.len, in.len + s->overhead);
		assert_memory_equal(out.bytes, link, sizeof(link));
		assert_memory_equal(out.bytes + 12, in.bytes + 12, in.l3 - 14);
		assert_int_equal(at_16(out.bytes + in.l3 - 2),
				 s->outer_v6 ? ETHER_IPV6 : ETHER_IPV4);
		check_outer(s, out.bytes + in.l3, in.len - in.l3);
		check_inner(&in, out.bytes + in.l3 + s->overhead, v6);
	}
}

/* RFC 6040, normal mode, and RFC 2983's uniform model: as it is inside. */
static void check_class(struct plane *p, const struct shape *s)
{
	struct packet_spec spec = *s->inner;
	struct packet in, out;
	const uint8_t *ip;
	uint32_t i;

	balance(p, s->mode, s->outer_v6);
	for (i = 0; i < 256; i++) {
		spec.traffic_class = (uint8_t)i;
		packet_build(&spec, &in);
		assert_int_equal(plane_run(p, &in, &out), sent(p));
		ip = out.bytes + in.l3;
		assert_int_equal(s->outer_v6 ? (at_16(ip) >> 4 & 0xff) : ip[1], i);
	}
}

static void test_class(struct plane *p, const void *row)
{
	(void)row;
	check_class(p, &shapes[0]);
	check_class(p, &shapes[1]);
	check_class(p, &shapes[5]);
}

static void test_last_hop(struct plane *p, const void *row)
{
	struct packet_spec specs[] = { tcp, tcp_v6 };
	uint32_t i;

	(void)row;
	balance(p, BACKEND_IPIP, true);
	for (i = 0; i < 2; i++) {
		specs[i].hop_limit = 2;
		assert_int_equal(plane_run_spec(p, &specs[i]), sent(p));
		specs[i].hop_limit = 1;
		assert_int_equal(plane_run_spec(p, &specs[i]), PLANE_DROP);
		assert_int_equal(plane_drops(p, DROP_TTL).packets, i + 1);
	}
}

/* The update of the inner checksum, for every value that it can have. */
static void test_all_checksums(struct plane *p, const void *row)
{
	struct packet in, out;
	uint32_t id;

	(void)row;
	balance(p, BACKEND_IPIP, false);
	packet_build(&tcp, &in);
	for (id = 0; id < 65536; id++) {
		in.bytes[in.l3 + 4] = (uint8_t)(id >> 8);
		in.bytes[in.l3 + 5] = (uint8_t)id;
		recompute(&in);
		if (plane_run(p, &in, &out) != sent(p) || !sums_up(out.bytes + in.l3) ||
		    !sums_up(out.bytes + in.l3 + 20))
			fail_msg("id %u", id);
	}
}

/* What may be fragmented has an id; what may not, has none and says so outside, too. */
static void test_dont_fragment(struct plane *p, const void *row)
{
	struct packet in, out;
	uint32_t id;

	(void)row;
	balance(p, BACKEND_GUE, false);
	packet_build(&tcp, &in);
	assert_int_equal(plane_run(p, &in, &out), sent(p));
	assert_int_equal(at_16(out.bytes + in.l3 + 6), 0);
	id = at_16(out.bytes + in.l3 + 4);
	in.bytes[in.l3 + 5] ^= 1;
	recompute(&in);
	assert_int_equal(plane_run(p, &in, &out), sent(p));
	assert_int_equal(at_16(out.bytes + in.l3 + 4), id ^ 1);
	in.bytes[in.l3 + 6] = 0x40;
	recompute(&in);
	assert_int_equal(plane_run(p, &in, &out), sent(p));
	assert_int_equal(at_16(out.bytes + in.l3 + 6), 0x4000);
	assert_int_equal(at_16(out.bytes + in.l3 + 4), 0);
}

/* 14 bits of port: of 1,000 flows about 970 have one of their own. The flow label has 16. */
static void test_entropy(struct plane *p, const void *row)
{
	static uint8_t port_seen[65536], label_seen[65536];
	struct packet_spec spec = tcp;
	struct packet in, out, again;
	uint32_t i, ports = 0, labels = 0;

	(void)row;
	memset(port_seen, 0, sizeof(port_seen));
	memset(label_seen, 0, sizeof(label_seen));
	balance(p, BACKEND_GUE, true);
	for (i = 0; i < 1000; i++) {
		spec.sport = (uint16_t)(1024 + i);
		packet_build(&spec, &in);
		assert_int_equal(plane_run(p, &in, &out), sent(p));
		assert_int_equal(plane_run(p, &in, &again), sent(p));
		assert_memory_equal(out.bytes, again.bytes, out.len);
		ports += !port_seen[at_16(out.bytes + 54)]++;
		labels += !label_seen[at_16(out.bytes + 16)]++;
	}
	assert_in_range(ports, 900, 1000);
	assert_in_range(labels, 950, 1000);
}

static void test_too_big(struct plane *p, const void *row)
{
	struct packet_spec spec = tcp;

	(void)row;
	balance(p, BACKEND_IPIP, false);
	spec.payload_bytes = MTU - 40;
	assert_int_equal(plane_run_spec(p, &spec), sent(p));
	spec.payload_bytes++;
	assert_int_equal(plane_run_spec(p, &spec), PLANE_DROP);
	assert_int_equal(plane_drops(p, DROP_TOO_BIG).packets, 1);
}

/* All fragments of a datagram take one way: also by what routers see of them. */
static void test_fragments(struct plane *p, const void *row)
{
	struct packet_spec first = tcp, later = tcp;
	struct packet in, one, other;

	(void)row;
	balance(p, BACKEND_GUE, false);
	first.frag_more = true;
	later.frag_offset = 185;
	later.payload_bytes = 0;
	packet_build(&first, &in);
	assert_int_equal(plane_run(p, &in, &one), sent(p));
	packet_build(&later, &in);
	assert_int_equal(plane_run(p, &in, &other), sent(p));
	assert_int_equal(at_16(one.bytes + 34), at_16(other.bytes + 34));
	assert_int_equal(other.len, in.len + 28);
}

/* About a flow to the vip, with 8 bytes of it to go by: to that flow's backend, by that flow's port. */
static void check_icmp_error(struct plane *p, const struct shape *s)
{
	const bool v6 = s->inner == &tcp_v6;
	const struct packet_spec quoted = { .src = s->inner->dst,
					    .dst = s->inner->src,
					    .proto = PROTO_TCP,
					    .sport = s->inner->dport,
					    .dport = s->inner->sport };
	const struct packet_spec error = { .src = v6 ? "2001:db8:9::1" : "203.0.113.1",
					   .dst = s->inner->dst,
					   .proto = v6 ? PROTO_ICMPV6 : PROTO_ICMP,
					   .icmp_type = v6 ? 2 : 3,
					   .quoted = &quoted };
	struct packet in, out, flow;
	uint32_t udp;

	balance(p, s->mode, s->outer_v6);
	packet_build(s->inner, &in);
	assert_int_equal(plane_run(p, &in, &flow), sent(p));
	udp = in.l3 + (s->outer_v6 ? 40 : 20);
	packet_build(&error, &in);
	assert_int_equal(plane_run(p, &in, &out), sent(p));
	assert_int_equal(out.len, in.len + s->overhead);
	if (s->mode == BACKEND_GUE)
		assert_int_equal(at_16(out.bytes + udp), at_16(flow.bytes + udp));
	check_outer(s, out.bytes + in.l3, in.len - in.l3);
	check_inner(&in, out.bytes + in.l3 + s->overhead, v6);
}

static void test_icmp_error(struct plane *p, const void *row)
{
	(void)row;
	for (uint32_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		check_icmp_error(p, &shapes[i]);
}

static void test_elsewhere(struct plane *p, const void *row)
{
	struct packet_spec tagged = tcp;
	struct packet in, out;
	struct backend b;
	uint32_t id = 1;

	(void)row;
	balance(p, BACKEND_IPIP, false);
	assert_int_equal(bpf_map_lookup_elem(plane_map(p, "backends"), &id, &b), 0);
	b.ifindex = PLANE_ELSEWHERE;
	assert_int_equal(bpf_map_update_elem(plane_map(p, "backends"), &id, &b, BPF_ANY), 0);
	assert_int_equal(plane_run_spec(p, &tcp), PLANE_REDIRECT);
	assert_int_equal(plane_actions(p, STATS_FORWARD).packets, 1);
	/* IPv6 is not put into IPv4: the agent configures none such, and none leaves. */
	assert_int_equal(plane_run_spec(p, &tcp_v6), PLANE_DROP);
	assert_int_equal(plane_drops(p, DROP_ENCAP).packets, 1);
	if (p->hook == PLANE_TC) /* where tags are beside the packet */
		return;
	tagged.tags = 2;
	packet_build(&tagged, &in);
	assert_int_equal(plane_run(p, &in, &out), PLANE_REDIRECT);
	assert_memory_equal(out.bytes + 12, in.bytes + 12, in.l3 - 12);
	check_outer(&shapes[0], out.bytes + in.l3, in.len - in.l3);
}

int main(void)
{
	plane_case_table(test_shape, shapes, sizeof(shapes[0]), 6);
	plane_case_add("the traffic class is seen outside, ECN included", test_class);
	plane_case_add("a packet at its last hop is dropped", test_last_hop);
	plane_case_add("the inner checksum is right for each of its values", test_all_checksums);
	plane_case_add("Don't Fragment is copied, and goes without an id", test_dont_fragment);
	plane_case_add("flows are told apart by port and label", test_entropy);
	plane_case_add("what does not fit into the outer packet is dropped", test_too_big);
	plane_case_add("fragments of a datagram look alike outside", test_fragments);
	plane_case_add("an ICMP error follows its flow", test_icmp_error);
	plane_case_add("a backend behind another device is redirected to", test_elsewhere);
	return plane_case_run("encap");
}
