/* SPDX-License-Identifier: BSD-2-Clause */
/* Balancing: which backend, what becomes of the packet on its way there, and when there is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "lib/proto.h"
#include "plane_case.h"
#include "sluice/abi/flow_hash.h"

#define VIP_V4 "192.0.2.10"
#define VIP_V6 "2001:db8:2::10"
#define MTU    1500

static const struct packet_spec tcp = { .src = "198.51.100.7",
					.dst = VIP_V4,
					.proto = PROTO_TCP,
					.sport = 4000,
					.dport = 80 };
static const struct packet_spec tcp_v6 = { .src = "2001:db8:1::7",
					   .dst = VIP_V6,
					   .proto = PROTO_TCP,
					   .sport = 4000,
					   .dport = 80 };
static const struct packet_spec udp = { .src = "198.51.100.7",
					.dst = VIP_V4,
					.proto = PROTO_UDP,
					.sport = 4000,
					.dport = 53,
					.payload_bytes = 32 };
static const struct packet_spec udp_v6 = { .src = "2001:db8:1::7",
					   .dst = VIP_V6,
					   .proto = PROTO_UDP,
					   .sport = 4000,
					   .dport = 53,
					   .payload_bytes = 32 };

/* Vip 1 is TCP port 80 and UDP port 53 of both addresses, over n backends 1..n on the loopback. */
static void balance(struct plane *p, uint32_t n)
{
	uint32_t i;

	for (i = 1; i <= n; i++)
		plane_backend(p, i, PLANE_LOOPBACK, MTU);
	plane_ring(p, 1, 1, n);
	plane_vip(p, 1, VIP_V4, 80, PROTO_TCP, 0);
	plane_vip(p, 1, VIP_V6, 80, PROTO_TCP, 0);
	plane_vip(p, 1, VIP_V4, 53, PROTO_UDP, 0);
	plane_vip(p, 1, VIP_V6, 53, PROTO_UDP, 0);
}

static void fragments_too(struct plane *p)
{
	plane_vip_fragments(p, VIP_V4, 53, PROTO_UDP);
	plane_vip_fragments(p, VIP_V6, 53, PROTO_UDP);
}

/* XDP sends back by the same device without help; TC always redirects. */
static enum plane_action sent(const struct plane *p)
{
	return p->hook == PLANE_XDP ? PLANE_TX : PLANE_REDIRECT;
}

/* The backend that a packet is sent to, by its hardware address; 0: to the host. */
static uint32_t backend_of(struct plane *p, const struct packet_spec *spec)
{
	struct packet in, out;
	enum plane_action action;

	packet_build(spec, &in);
	action = plane_run(p, &in, &out);
	if (action == PLANE_PASS)
		return 0;
	assert_int_equal(action, sent(p));
	return out.bytes[5];
}

static void test_rewrite(struct plane *p, const void *row)
{
	static const uint8_t want[12] = { 0x02, 0xbb, 0, 0, 0, 1, 0x02, 0xee, 0, 0, 0, 1 };
	struct packet_spec tagged = tcp;
	struct packet in, out;

	(void)row;
	balance(p, 1);
	tagged.tags = 2;
	packet_build(&tagged, &in);
	assert_int_equal(plane_run(p, &in, &out), sent(p));
	assert_int_equal(out.len, in.len);
	assert_memory_equal(out.bytes, want, sizeof(want));
	assert_memory_equal(out.bytes + 12, in.bytes + 12, in.len - 12);
}

/* With the tags that it came with. */
static void test_other_device(struct plane *p, const void *row)
{
	struct packet_spec specs[] = { tcp, tcp_v6 };
	struct packet in, out;
	uint32_t i;

	(void)row;
	balance(p, 1);
	plane_backend(p, 1, PLANE_ELSEWHERE, MTU);
	for (i = 0; i < 6; i++) {
		specs[i / 3].tags = i % 3;
		packet_build(&specs[i / 3], &in);
		assert_int_equal(plane_run(p, &in, &out), PLANE_REDIRECT);
		assert_int_equal(out.len, in.len);
		assert_memory_equal(out.bytes + 12, in.bytes + 12, in.len - 12);
	}
	assert_int_equal(plane_actions(p, STATS_FORWARD).packets, 6);
}

/* Nothing that a packet has around or between its headers leads it past its vip, or to another backend. */
static void test_shapes(struct plane *p, const void *row)
{
	struct packet_spec v4 = tcp, v6 = tcp_v6;
	uint32_t i, want, want_v6;

	(void)row;
	balance(p, 8);
	for (i = 0; i < 32; i++) {
		v4 = tcp;
		v6 = tcp_v6;
		v4.sport = v6.sport = (uint16_t)(4000 + i);
		want = backend_of(p, &v4);
		want_v6 = backend_of(p, &v6);
		assert_true(want && want_v6);
		v4.tags = v6.tags = 1 + i % 2;
		v4.option_bytes = i % 3 ? 24 : 40;
		v4.tcp_option_bytes = v6.tcp_option_bytes = 20;
		assert_int_equal(backend_of(p, &v4), want);
		v6.hop_options = i % 2;
		v6.ext[0] = PROTO_DEST_OPTIONS;
		v6.ext[1] = PROTO_ROUTING;
		v6.ext[2] = PROTO_FRAGMENT; /* of a whole packet */
		assert_int_equal(backend_of(p, &v6), want_v6);
	}
}

static void test_not_a_vip(struct plane *p, const void *row)
{
	struct packet_spec other = tcp;

	(void)row;
	balance(p, 1);
	other.dport = 81;
	assert_int_equal(plane_run_spec(p, &other), PLANE_PASS);
	other = tcp;
	other.proto = PROTO_UDP;
	assert_int_equal(plane_run_spec(p, &other), PLANE_PASS);
	other = tcp;
	other.dst = "192.0.2.11";
	assert_int_equal(plane_run_spec(p, &other), PLANE_PASS);
	other = tcp;
	other.proto = PROTO_ICMP;
	other.icmp_type = 8;
	assert_int_equal(plane_run_spec(p, &other), PLANE_PASS);
}

/* 4,000 flows over 8 backends: 500 each, and a standard deviation of 21. */
static void test_distribution(struct plane *p, const void *row)
{
	struct packet_spec specs[] = { tcp, tcp_v6 };
	uint32_t count[9], i, s;

	(void)row;
	balance(p, 8);
	for (s = 0; s < 2; s++) {
		memset(count, 0, sizeof(count));
		for (i = 0; i < 4000; i++) {
			specs[s].sport = (uint16_t)(1024 + i);
			count[backend_of(p, &specs[s])]++;
		}
		assert_int_equal(count[0], 0);
		for (i = 1; i <= 8; i++)
			assert_in_range(count[i], 400, 600);
	}
}

/* What user space computes for a flow is what the packet meets. */
static void test_same_as_computed(struct plane *p, const void *row)
{
	static const __u64 seed[2] = { 0x0123456789abcdef, 0xfedcba9876543210 };
	struct packet_spec specs[] = { tcp, udp_v6 };
	struct vip_slot found;
	uint32_t i, s, slot;

	(void)row;
	balance(p, 8);
	for (s = 0; s < 2; s++) {
		for (i = 0; i < 100; i++) {
			struct flow_key flow = { .src = packet_addr(specs[s].src),
						 .dst = packet_addr(specs[s].dst),
						 .dport = __builtin_bswap16(specs[s].dport),
						 .proto = specs[s].proto };

			specs[s].sport = (uint16_t)(1024 + i);
			flow.sport = __builtin_bswap16(specs[s].sport);
			slot = 2 * PLANE_RING + flow_hash_slot(flow_hash(&flow, seed), PLANE_RING);
			assert_int_equal(
				bpf_map_lookup_elem(plane_map(p, "vip_ring"), &slot, &found), 0);
			assert_int_equal(backend_of(p, &specs[s]), found.backend);
		}
	}
}

static void set_client_affinity(struct plane *p, const char *address, uint16_t port, uint8_t proto)
{
	struct vip_key key = { .addr = packet_addr(address),
			       .port = __builtin_bswap16(port),
			       .proto = proto };
	struct vip vip;

	assert_int_equal(bpf_map_lookup_elem(plane_map(p, "vips"), &key, &vip), 0);
	vip.flags |= VIP_CLIENT;
	assert_int_equal(bpf_map_update_elem(plane_map(p, "vips"), &key, &vip, 0), 0);
}

/* The one backend of a client's flows, and of their fragments. */
static uint32_t backend_of_client(struct plane *p, struct packet_spec spec, const char *client)
{
	uint32_t backend, i;

	spec.src = client;
	backend = backend_of(p, &spec);
	for (i = 1; i < 16; i++) {
		spec.sport = (uint16_t)(spec.sport + 77 * i);
		assert_int_equal(backend_of(p, &spec), backend);
	}
	spec.frag_more = true;
	if (spec.proto == PROTO_UDP)
		assert_int_equal(backend_of(p, &spec), backend);
	return backend;
}

static void test_client_affinity(struct plane *p, const void *row)
{
	const struct packet_spec specs[] = { tcp, udp, tcp_v6, udp_v6 };
	char client[64], sibling[64];
	uint32_t count[9], i, s;

	(void)row;
	balance(p, 8);
	fragments_too(p);
	for (s = 0; s < 4; s++) {
		set_client_affinity(p, specs[s].dst, specs[s].dport, specs[s].proto);
		memset(count, 0, sizeof(count));
		for (i = 0; i < 1000; i++) {
			snprintf(client, sizeof(client), s < 2 ? "10.7.%u.%u" : "2001:db8:%x:%x::1",
				 i / 250, 1 + i % 250);
			count[backend_of_client(p, specs[s], client)]++;
			if (s < 2)
				continue;
			/* The unit of IPv6 is the /64. */
			snprintf(sibling, sizeof(sibling), "2001:db8:%x:%x:%x::2", i / 250,
				 1 + i % 250, i + 1);
			assert_int_equal(backend_of_client(p, specs[s], sibling),
					 backend_of_client(p, specs[s], client));
		}
		assert_int_equal(count[0], 0);
		/* 125 each, and five standard deviations of 10.5 */
		for (i = 1; i <= 8; i++)
			assert_in_range(count[i], 72, 178);
	}
}

static void test_last_backend_removed(struct plane *p, const void *row)
{
	struct stats_vip s;

	(void)row;
	balance(p, 1);
	assert_int_equal(plane_run_spec(p, &tcp), sent(p));
	plane_ring(p, 1, 1, 0);
	assert_int_equal(plane_run_spec(p, &tcp), PLANE_DROP);
	assert_int_equal(plane_drops(p, DROP_NO_BACKEND).packets, 1);
	plane_sum(p, "stats_vip", 1, &s, sizeof(s));
	assert_int_equal(s.forwarded.packets, 1);
	assert_int_equal(s.dropped.packets, 1);
}

static void test_backend_not_ready(struct plane *p, const void *row)
{
	struct backend gone = { .mtu = MTU };
	const struct vip_slot nobody = { .backend = 1000000 };
	uint32_t id = 1, slot = 2 * PLANE_RING, i;

	(void)row;
	balance(p, 1);
	assert_int_equal(bpf_map_update_elem(plane_map(p, "backends"), &id, &gone, BPF_ANY), 0);
	assert_int_equal(plane_run_spec(p, &tcp), PLANE_DROP);
	assert_int_equal(plane_drops(p, DROP_BACKEND_GONE).packets, 1);
	/* A slot that names no backend at all, as corruption would. */
	for (i = 0; i < PLANE_RING; i++, slot++)
		assert_int_equal(
			bpf_map_update_elem(plane_map(p, "vip_ring"), &slot, &nobody, BPF_ANY), 0);
	assert_int_equal(plane_run_spec(p, &tcp), PLANE_DROP);
	assert_int_equal(plane_drops(p, DROP_BACKEND_GONE).packets, 2);
}

static void test_ring_flip(struct plane *p, const void *row)
{
	struct vip_key key = { .addr = packet_addr(VIP_V4),
			       .port = __builtin_bswap16(80),
			       .proto = PROTO_TCP };
	const struct vip_slot second = { .backend = 2 };
	uint32_t slot = 3 * PLANE_RING, i;
	struct vip vip;

	(void)row;
	balance(p, 1);
	plane_backend(p, 2, PLANE_LOOPBACK, MTU);
	for (i = 0; i < PLANE_RING; i++, slot++)
		assert_int_equal(
			bpf_map_update_elem(plane_map(p, "vip_ring"), &slot, &second, BPF_ANY), 0);
	assert_int_equal(backend_of(p, &tcp), 1);
	assert_int_equal(bpf_map_lookup_elem(plane_map(p, "vips"), &key, &vip), 0);
	vip.ring = 1;
	assert_int_equal(bpf_map_update_elem(plane_map(p, "vips"), &key, &vip, BPF_EXIST), 0);
	assert_int_equal(backend_of(p, &tcp), 2);
}

static void test_too_big(struct plane *p, const void *row)
{
	const struct plane_gso gso = { .segments = 3, .payload_bytes = 1000 };
	const struct plane_gso big = { .segments = 3, .payload_bytes = 1473 };
	struct packet_spec spec = udp;
	struct packet packet;

	(void)row;
	balance(p, 1);
	spec.payload_bytes = MTU - 28;
	spec.tags = 1; /* not part of what the MTU limits */
	assert_int_equal(plane_run_spec(p, &spec), sent(p));
	spec.payload_bytes++;
	assert_int_equal(plane_run_spec(p, &spec), PLANE_DROP);
	assert_int_equal(plane_drops(p, DROP_TOO_BIG).packets, 1);
	spec.payload_bytes--;
	spec.padding = 40;
	assert_int_equal(plane_run_spec(p, &spec), sent(p));
	if (p->hook == PLANE_XDP)
		return;
	/* Merged packets are cut again on the way out: what counts is one of them. */
	spec.payload_bytes = 3000;
	packet_build(&spec, &packet);
	assert_int_equal(plane_run_gso(p, &packet, &gso), sent(p));
	assert_int_equal(plane_run_gso(p, &packet, &big), PLANE_DROP);
}

/* All fragments of a datagram meet one backend; other datagrams of the pair meet the same. */
static void test_fragments(struct plane *p, const void *row)
{
	struct packet_spec first = udp, later = udp, first_v6 = udp_v6, later_v6 = udp_v6;
	uint32_t want, want_v6, i;

	(void)row;
	balance(p, 8);
	fragments_too(p);
	first.frag_more = true;
	later.frag_offset = 185;
	first_v6.ext[0] = later_v6.ext[0] = PROTO_FRAGMENT;
	first_v6.frag_more = true;
	later_v6.frag_offset = 185;
	want = backend_of(p, &later);
	want_v6 = backend_of(p, &later_v6);
	assert_true(want && want_v6);
	for (i = 0; i < 50; i++) {
		first.sport = first_v6.sport = (uint16_t)(3000 + i);
		assert_int_equal(backend_of(p, &first), want);
		assert_int_equal(backend_of(p, &first_v6), want_v6);
	}
	/* Other sources are spread. */
	later.src = "198.51.100.8";
	for (i = 0; i < 50 && backend_of(p, &later) == want; i++) {
		char source[32];

		snprintf(source, sizeof(source), "198.51.100.%u", 9 + i);
		later.src = source;
	}
	assert_true(i < 50);
}

static void test_fragments_to_host(struct plane *p, const void *row)
{
	struct packet_spec first = udp, hidden = udp_v6;

	(void)row;
	balance(p, 8);
	first.frag_more = true;
	assert_int_equal(plane_run_spec(p, &first), PLANE_PASS);
	/* A header behind the fragment header: later fragments could not be told apart. */
	fragments_too(p);
	hidden.ext[0] = PROTO_FRAGMENT;
	hidden.ext[1] = PROTO_DEST_OPTIONS;
	hidden.frag_more = true;
	assert_int_equal(plane_run_spec(p, &hidden), PLANE_PASS);
	/* An atomic fragment is a whole packet. */
	hidden.frag_more = false;
	assert_int_equal(plane_run_spec(p, &hidden), sent(p));
}

/* A router's error about what a backend sent goes to that backend, with 8 bytes to go by. */
static void test_icmp_errors(struct plane *p, const void *row)
{
	struct packet_spec quoted = {
		.src = VIP_V4, .dst = "198.51.100.7", .proto = PROTO_TCP, .sport = 80
	};
	struct packet_spec quoted_v6 = {
		.src = VIP_V6, .dst = "2001:db8:1::7", .proto = PROTO_TCP, .sport = 80
	};
	struct packet_spec error = { .src = "203.0.113.1",
				     .dst = VIP_V4,
				     .proto = PROTO_ICMP,
				     .icmp_type = 3,
				     .quoted = &quoted };
	struct packet_spec error_v6 = { .src = "2001:db8:9::1",
					.dst = VIP_V6,
					.proto = PROTO_ICMPV6,
					.icmp_type = 2,
					.quoted = &quoted_v6 };
	struct packet_spec flow = tcp, flow_v6 = tcp_v6;
	uint16_t port;

	(void)row;
	balance(p, 8);
	for (port = 2000; port < 2100; port++) {
		flow.sport = flow_v6.sport = quoted.dport = quoted_v6.dport = port;
		assert_int_equal(backend_of(p, &error), backend_of(p, &flow));
		assert_int_equal(backend_of(p, &error_v6), backend_of(p, &flow_v6));
	}
	quoted.option_bytes = 12;
	assert_int_equal(backend_of(p, &error), backend_of(p, &flow));
	/* Policy is about the router, not about whom it speaks of. */
	plane_acl(p, SOURCE_LIST_DENY, "203.0.113.1", 32);
	assert_int_equal(plane_run_spec(p, &error), PLANE_DROP);
	assert_int_not_equal(plane_run_spec(p, &flow), PLANE_DROP);
}

static void test_icmp_to_host(struct plane *p, const void *row)
{
	struct packet_spec quoted = {
		.src = VIP_V4, .dst = "198.51.100.7", .proto = PROTO_TCP, .sport = 80, .dport = 4000
	};
	struct packet_spec error = { .src = "203.0.113.1",
				     .dst = VIP_V4,
				     .proto = PROTO_ICMP,
				     .icmp_type = 3,
				     .quoted = &quoted };

	(void)row;
	balance(p, 8);
	assert_int_not_equal(backend_of(p, &error), 0);
	error.quoted_l4_bytes = 7;
	assert_int_equal(backend_of(p, &error), 0);
	error.quoted_l4_bytes = 8;
	/* It quotes what the vip never sent: its source is not who got the error. */
	error.dst = "192.0.2.11";
	assert_int_equal(backend_of(p, &error), 0);
	error.dst = VIP_V4;
	quoted.sport = 81;
	assert_int_equal(backend_of(p, &error), 0);
	quoted.sport = 80;
	error.icmp_type = 8;
	assert_int_equal(backend_of(p, &error), 0);
}

static void test_icmp_about_fragments(struct plane *p, const void *row)
{
	struct packet_spec quoted = { .src = VIP_V4,
				      .dst = "198.51.100.7",
				      .proto = PROTO_UDP,
				      .frag_offset = 185,
				      .payload_bytes = 8 };
	struct packet_spec error = { .src = "203.0.113.1",
				     .dst = VIP_V4,
				     .proto = PROTO_ICMP,
				     .icmp_type = 11,
				     .quoted = &quoted };
	struct packet_spec later = udp;

	(void)row;
	balance(p, 8);
	fragments_too(p);
	later.frag_offset = 185;
	assert_int_equal(backend_of(p, &error), backend_of(p, &later));
}

int main(void)
{
	plane_case_add("a packet gets the backend's address and nothing else", test_rewrite);
	plane_case_add("a backend behind another device is redirected to", test_other_device);
	plane_case_add("tags, options and extension headers lead to the same backend", test_shapes);
	plane_case_add("what is not to a vip goes to the host", test_not_a_vip);
	plane_case_add("flows are spread evenly", test_distribution);
	plane_case_add("a flow's backend can be computed", test_same_as_computed);
	plane_case_add("a client's flows have one backend where that is asked for",
		       test_client_affinity);
	plane_case_add("when the last backend is removed, nothing is sent to it",
		       test_last_backend_removed);
	plane_case_add("a backend without a next hop is sent nothing", test_backend_not_ready);
	plane_case_add("the other ring is in force with one store", test_ring_flip);
	plane_case_add("what the backend's device cannot send is dropped", test_too_big);
	plane_case_add("all fragments of a datagram meet one backend", test_fragments);
	plane_case_add("fragments that cannot be matched go to the host", test_fragments_to_host);
	plane_case_add("an ICMP error goes to the backend of the flow it quotes", test_icmp_errors);
	plane_case_add("an ICMP error about anything else goes to the host", test_icmp_to_host);
	plane_case_add("an ICMP error about a fragment follows the fragments",
		       test_icmp_about_fragments);
	return plane_case_run("vip");
}
