/* SPDX-License-Identifier: BSD-2-Clause */
/* Vips of prefixes, ranges of ports and all ports: which one a packet is for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "lib/proto.h"
#include "plane_case.h"

#define MTU 1500

/* Vip n has backend n alone, so that the backend's address tells which vip it was. */
static void open_vips(struct plane *p, uint8_t proto)
{
	uint32_t id;

	for (id = 1; id < PLANE_VIPS; id++) {
		plane_backend(p, id, PLANE_LOOPBACK, MTU);
		plane_ring(p, id, id, 1);
		plane_vip_record(p, id, proto);
	}
}

/* The vip that a packet is for; 0: none. */
static uint32_t vip_of(struct plane *p, const struct packet_spec *spec)
{
	struct packet in, out;

	packet_build(spec, &in);
	if (plane_run(p, &in, &out) == PLANE_PASS)
		return 0;
	return out.bytes[5];
}

static uint32_t vip_at(struct plane *p, const char *src, const char *dst, uint8_t proto,
		       uint16_t port)
{
	const struct packet_spec spec = {
		.src = src, .dst = dst, .proto = proto, .sport = 4000, .dport = port
	};

	return vip_of(p, &spec);
}

static uint32_t tcp_at(struct plane *p, const char *dst, uint16_t port)
{
	return vip_at(p, "198.51.100.7", dst, PROTO_TCP, port);
}

static void test_ports(struct plane *p, const void *row)
{
	static const struct plane_span spans[] = {
		{ 100, 100, 1 }, { 200, 299, 2 }, { 300, 300, 0 }, { 301, 65535, 3 }
	};

	(void)row;
	open_vips(p, PROTO_TCP);
	plane_vip_wide(p, "192.0.2.10", 128, PROTO_TCP, spans, 4, 0);
	assert_int_equal(tcp_at(p, "192.0.2.10", 0), 0);
	assert_int_equal(tcp_at(p, "192.0.2.10", 99), 0);
	assert_int_equal(tcp_at(p, "192.0.2.10", 100), 1);
	assert_int_equal(tcp_at(p, "192.0.2.10", 101), 0);
	assert_int_equal(tcp_at(p, "192.0.2.10", 199), 0);
	assert_int_equal(tcp_at(p, "192.0.2.10", 200), 2);
	assert_int_equal(tcp_at(p, "192.0.2.10", 299), 2);
	assert_int_equal(tcp_at(p, "192.0.2.10", 300), 0);
	assert_int_equal(tcp_at(p, "192.0.2.10", 301), 3);
	assert_int_equal(tcp_at(p, "192.0.2.10", 65535), 3);
	assert_int_equal(tcp_at(p, "192.0.2.11", 100), 0);
	assert_int_equal(vip_at(p, "198.51.100.7", "192.0.2.10", PROTO_UDP, 100), 0);
}

/* As many as fit, each of one port with a gap behind it. */
static void test_full(struct plane *p, const void *row)
{
	struct plane_span spans[VIP_SPANS_MAX];
	uint32_t i;

	(void)row;
	open_vips(p, PROTO_TCP);
	for (i = 0; i < VIP_SPANS_MAX; i++)
		spans[i] = (struct plane_span) { (uint16_t)(2 * i), (uint16_t)(2 * i), 1 + i % 3 };
	plane_vip_wide(p, "192.0.2.10", 128, PROTO_TCP, spans, VIP_SPANS_MAX, 0);
	for (i = 0; i < 2 * VIP_SPANS_MAX + 1; i++)
		assert_int_equal(tcp_at(p, "192.0.2.10", (uint16_t)i),
				 i % 2 || i >= 2 * VIP_SPANS_MAX ? 0 : 1 + i / 2 % 3);
}

static void test_longest_prefix(struct plane *p, const void *row)
{
	static const struct plane_span any[] = { { 0, 65535, 1 } }, some[] = { { 80, 80, 2 } };

	(void)row;
	open_vips(p, PROTO_TCP);
	plane_vip_wide(p, "192.0.2.0", 96 + 24, PROTO_TCP, any, 1, 0);
	plane_vip_wide(p, "192.0.2.128", 96 + 25, PROTO_TCP, some, 1, 0);
	plane_vip_wide(p, "2001:db8:2::", 48, PROTO_TCP, any, 1, 0);
	assert_int_equal(tcp_at(p, "192.0.2.127", 80), 1);
	assert_int_equal(tcp_at(p, "192.0.2.128", 80), 2);
	assert_int_equal(tcp_at(p, "192.0.2.255", 81), 0);
	assert_int_equal(tcp_at(p, "192.0.3.0", 80), 0);
	assert_int_equal(vip_at(p, "2001:db8:1::7", "2001:db8:2:ffff::1", PROTO_TCP, 9), 1);
	assert_int_equal(vip_at(p, "2001:db8:1::7", "2001:db8:3::1", PROTO_TCP, 9), 0);
	/* A plain vip is more specific than all of them. */
	plane_vip(p, 3, "192.0.2.1", 443, PROTO_TCP, 0);
	plane_vip_wide(p, "192.0.2.0", 96 + 24, PROTO_TCP, any, 1, 0);
	assert_int_equal(tcp_at(p, "192.0.2.1", 443), 3);
	assert_int_equal(tcp_at(p, "192.0.2.1", 444), 1);
}

/* Without any, the trie is for fragments only: nobody else pays for it. */
static void test_none_wide(struct plane *p, const void *row)
{
	static const struct plane_span any[] = { { 0, 65535, 1 } };
	struct packet_spec later = { .src = "198.51.100.7",
				     .dst = "192.0.2.10",
				     .proto = PROTO_TCP,
				     .frag_offset = 185,
				     .payload_bytes = 32 };

	(void)row;
	open_vips(p, PROTO_TCP);
	plane_vip_wide(p, "192.0.2.10", 128, PROTO_TCP, any, 1, 2);
	plane_vip(p, 3, "192.0.2.10", 80, PROTO_TCP, 0); /* has_wide: 0 */
	assert_int_equal(tcp_at(p, "192.0.2.10", 80), 3);
	assert_int_equal(tcp_at(p, "192.0.2.10", 81), 0);
	assert_int_equal(vip_of(p, &later), 2);
}

/* First and later fragments, whatever their port; and errors about them. */
static void test_fragments(struct plane *p, const void *row)
{
	static const struct plane_span any[] = { { 0, 65535, 1 } };
	struct packet_spec first = { .src = "198.51.100.7",
				     .dst = "192.0.2.77",
				     .proto = PROTO_UDP,
				     .sport = 4000,
				     .dport = 53,
				     .frag_more = true,
				     .payload_bytes = 32 };
	struct packet_spec later = first;
	struct packet_spec quoted = { .src = "192.0.2.77",
				      .dst = "198.51.100.7",
				      .proto = PROTO_UDP,
				      .frag_offset = 185,
				      .payload_bytes = 8 };
	const struct packet_spec error = { .src = "203.0.113.1",
					   .dst = "192.0.2.77",
					   .proto = PROTO_ICMP,
					   .icmp_type = 11,
					   .quoted = &quoted };

	(void)row;
	open_vips(p, PROTO_UDP);
	plane_vip_wide(p, "192.0.2.0", 96 + 24, PROTO_UDP, any, 1, 2);
	later.frag_more = false;
	later.frag_offset = 185;
	assert_int_equal(vip_at(p, "198.51.100.7", "192.0.2.77", PROTO_UDP, 53), 1);
	assert_int_equal(vip_of(p, &first), 2);
	assert_int_equal(vip_of(p, &later), 2);
	assert_int_equal(vip_of(p, &error), 2);
	plane_vip_wide(p, "192.0.2.0", 96 + 24, PROTO_UDP, any, 1, 0);
	assert_int_equal(vip_of(p, &first), 0);
	assert_int_equal(vip_of(p, &later), 0);
}

/* An ICMP error about a flow to a wide vip, with 8 bytes to go by. */
static void test_icmp_errors(struct plane *p, const void *row)
{
	static const struct plane_span some[] = { { 80, 89, 2 } };
	const struct packet_spec quoted = { .src = "192.0.2.77",
					    .dst = "198.51.100.7",
					    .proto = PROTO_TCP,
					    .sport = 85,
					    .dport = 4000 };
	const struct packet_spec quoted_v6 = { .src = "2001:db8:2::77",
					       .dst = "2001:db8:1::7",
					       .proto = PROTO_TCP,
					       .sport = 85,
					       .dport = 4000 };
	const struct packet_spec error = { .src = "203.0.113.1",
					   .dst = "192.0.2.77",
					   .proto = PROTO_ICMP,
					   .icmp_type = 3,
					   .quoted = &quoted };
	const struct packet_spec error_v6 = { .src = "2001:db8:9::1",
					      .dst = "2001:db8:2::77",
					      .proto = PROTO_ICMPV6,
					      .icmp_type = 2,
					      .quoted = &quoted_v6 };

	(void)row;
	open_vips(p, PROTO_TCP);
	plane_vip_wide(p, "192.0.2.0", 96 + 24, PROTO_TCP, some, 1, 0);
	plane_vip_wide(p, "2001:db8:2::", 64, PROTO_TCP, some, 1, 0);
	assert_int_equal(vip_of(p, &error), 2);
	assert_int_equal(vip_of(p, &error_v6), 2);
}

/* A number of spans that no agent writes must not be believed. */
static void test_corrupt(struct plane *p, const void *row)
{
	static const struct plane_span any[] = { { 0, 65535, 1 } };
	const struct vip_wide_key key = { VIP_WIDE_PROTO_BITS + 128, PROTO_TCP,
					  packet_addr("192.0.2.10") };
	struct vip_wide wide;

	(void)row;
	open_vips(p, PROTO_TCP);
	plane_vip_wide(p, "192.0.2.10", 128, PROTO_TCP, any, 1, 0);
	assert_int_equal(bpf_map_lookup_elem(plane_map(p, "vip_wide"), &key, &wide), 0);
	wide.n = UINT32_MAX;
	assert_int_equal(bpf_map_update_elem(plane_map(p, "vip_wide"), &key, &wide, 0), 0);
	assert_int_equal(tcp_at(p, "192.0.2.10", 80), 0);
}

int main(void)
{
	plane_case_add("of one address, each port is its own span's", test_ports);
	plane_case_add("a record with all of its spans", test_full);
	plane_case_add("the longest prefix decides, and a plain vip before it",
		       test_longest_prefix);
	plane_case_add("where no vip is wide, the trie is for fragments", test_none_wide);
	plane_case_add("fragments to a wide vip", test_fragments);
	plane_case_add("ICMP errors about flows to a wide vip", test_icmp_errors);
	plane_case_add("a record that is corrupt", test_corrupt);
	return plane_case_run("vip_wide");
}
