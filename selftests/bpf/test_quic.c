/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * QUIC's connection ids: which backend they name, whatever the client's address; and every packet that
 * names none goes where it would have gone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "lib/proto.h"
#include "plane_case.h"
#include "sluice/abi/quic.h"

#define VIP_V4	 "192.0.2.10"
#define VIP_V6	 "2001:db8:2::10"
#define BACKENDS 8
#define MTU	 1500
#define CLIENTS	 50

/* Configuration 0: 2 bytes and 6; configuration 5: 15 and 4, the most there is. */
static const struct quic configs = { .server_id_bytes = { [0] = 2, [5] = 15 },
				     .nonce_bytes = { [0] = 6, [5] = 4 } };

static const struct packet_spec udp = { .src = "198.51.100.7",
					.dst = VIP_V4,
					.proto = PROTO_UDP,
					.sport = 4000,
					.dport = 443,
					.payload_bytes = 60 };

static void put_server(struct plane *p, uint8_t config, const uint8_t *id, size_t bytes,
		       uint32_t backend)
{
	struct quic_server key = { .vip_id = 1, .config = config };

	memcpy(key.id, id, bytes);
	assert_int_equal(bpf_map_update_elem(plane_map(p, "quic_servers"), &key, &backend, BPF_ANY),
			 0);
}

static void set_flags(struct plane *p, const char *address, uint16_t flags)
{
	struct vip_key key = { .addr = packet_addr(address),
			       .port = __builtin_bswap16(443),
			       .proto = PROTO_UDP };
	struct vip vip;

	assert_int_equal(bpf_map_lookup_elem(plane_map(p, "vips"), &key, &vip), 0);
	vip.flags = flags;
	assert_int_equal(bpf_map_update_elem(plane_map(p, "vips"), &key, &vip, BPF_EXIST), 0);
}

/* Backend i has server id 0x0a00 + i of configuration 0, and 15 bytes of i of configuration 5. */
static void balance(struct plane *p)
{
	uint32_t vip_id = 1, i;

	for (i = 1; i <= BACKENDS; i++) {
		uint8_t id[15] = { 0x0a, (uint8_t)i };

		plane_backend(p, i, PLANE_LOOPBACK, MTU);
		put_server(p, 0, id, 2, i);
		memset(id, (int)i, sizeof(id));
		put_server(p, 5, id, 15, i);
	}
	plane_ring(p, 1, 1, BACKENDS);
	plane_vip(p, 1, VIP_V4, 443, PROTO_UDP, 0);
	plane_vip(p, 1, VIP_V6, 443, PROTO_UDP, 0);
	set_flags(p, VIP_V4, VIP_QUIC);
	set_flags(p, VIP_V6, VIP_QUIC);
	assert_int_equal(bpf_map_update_elem(plane_map(p, "quic"), &vip_id, &configs, 0), 0);
}

struct quic_case {
	const char *sentence;
	uint8_t bytes[40]; /* of the UDP payload; what follows is 0x5a */
	uint32_t payload_bytes;
	uint32_t backend; /* 0: the ring's */
	bool unknown;	  /* a server id was read, and nobody has it */
};

#define LONG	0xc3, 0, 0, 0, 1
#define NONCE_6 1, 2, 3, 4, 5, 6
#define ID_15	3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3

static const struct quic_case cases[] = {
	{ "a short header's id names its server", { 0x40, 0x08, 0x0a, 3, NONCE_6 }, 60, 3, false },
	{ "bits of the length do not matter", { 0x41, 0x1f, 0x0a, 4, NONCE_6 }, 60, 4, false },
	{ "a packet that ends with its id is whole", { 0x40, 8, 0x0a, 3, NONCE_6 }, 10, 3, false },
	{ "one byte of its id is missing", { 0x40, 8, 0x0a, 3, NONCE_6 }, 9, 0, false },
	{ "a long header's id names its server", { LONG, 9, 8, 0x0a, 5, NONCE_6 }, 60, 5, false },
	{ "so it does in any version",
	  { 0xff, 0xfa, 0xce, 0xb0, 0x0c, 9, 8, 0x0a, 5, NONCE_6 },
	  60,
	  5,
	  false },
	{ "a client's own id is of another length",
	  { LONG, 8, 8, 0x0a, 5, NONCE_6 },
	  60,
	  0,
	  false },
	{ "a longer one is a client's too", { LONG, 20, 8, 0x0a, 5, NONCE_6 }, 60, 0, false },
	{ "a long header without an id", { LONG, 0, 0, 8, 0x0a, 5, NONCE_6 }, 60, 0, false },
	{ "a long header that ends in its id", { LONG, 9, 8, 0x0a, 5, NONCE_6 }, 14, 0, false },
	{ "a long header that ends with its id", { LONG, 9, 8, 0x0a, 5, NONCE_6 }, 15, 5, false },
	{ "nobody has this server id", { 0x40, 8, 0x0b, 3, NONCE_6 }, 60, 0, true },
	{ "another configuration's longest id", { 0x40, 0xb3, ID_15, 1, 2, 3, 4 }, 60, 3, false },
	{ "the longest id of a long header", { LONG, 20, 0xa0, ID_15, 1, 2, 3, 4 }, 60, 3, false },
	{ "no such configuration", { 0x40, 0x28, 0x0a, 3, NONCE_6 }, 60, 0, false },
	{ "rotation 7 says that there is no server id",
	  { 0x40, 0xe8, 0x0a, 3, NONCE_6 },
	  60,
	  0,
	  false },
	{ "an empty datagram", { 0 }, 0, 0, false },
	{ "a single byte", { 0x40 }, 1, 0, false },
	{ "six bytes", { LONG, 9 }, 6, 0, false },
};

/* The backend that a packet is sent to, by its hardware address. */
static uint32_t backend_of(struct plane *p, const struct packet_spec *spec, const uint8_t *bytes,
			   uint32_t n)
{
	struct packet in, out;
	enum plane_action action;

	packet_build(spec, &in);
	memcpy(in.bytes + in.l4 + 8, bytes, n);
	action = plane_run(p, &in, &out);
	assert_int_equal(action, p->hook == PLANE_XDP ? PLANE_TX : PLANE_REDIRECT);
	return out.bytes[5];
}

static void expect(struct plane *p, struct packet_spec *spec, const struct quic_case *c)
{
	char source[40];
	uint32_t i, n = c->payload_bytes < sizeof(c->bytes) ? c->payload_bytes : sizeof(c->bytes);
	bool v6 = strchr(spec->dst, ':') != NULL;

	spec->payload_bytes = c->payload_bytes;
	/* A frame of 60 bytes at least, as on a wire: what pads it is no part of the packet. */
	spec->padding = 46;
	for (i = 0; i < CLIENTS; i++) {
		uint32_t want = c->backend;

		snprintf(source, sizeof(source), v6 ? "2001:db8:1::%x" : "198.51.100.%u", 1 + i);
		spec->src = source;
		spec->sport = (uint16_t)(5000 + i);
		if (!want) { /* the ring's choice is that of a vip which reads no connection ids */
			set_flags(p, spec->dst, 0);
			want = backend_of(p, spec, c->bytes, n);
			set_flags(p, spec->dst, VIP_QUIC);
		}
		assert_int_equal(backend_of(p, spec, c->bytes, n), want);
	}
}

static void test_choice(struct plane *p, const void *row)
{
	const struct quic_case *c = row;
	struct packet_spec spec = udp;
	struct stats_quic s;

	balance(p);
	expect(p, &spec, c);
	spec.tags = 2;
	spec.dst = VIP_V6;
	expect(p, &spec, c);
	plane_sum(p, "stats_quic", 1, &s, sizeof(s));
	assert_int_equal(s.routed, c->backend ? 2 * CLIENTS : 0);
	assert_int_equal(s.unknown, c->unknown ? 2 * CLIENTS : 0);
	assert_int_equal(s.unroutable, c->backend || c->unknown ? 0 : 2 * CLIENTS);
}

/* Nothing of it costs, or is said of, a vip without. */
static void test_other_vip(struct plane *p, const void *row)
{
	static const uint8_t bytes[] = { 0x40, 0x08, 0x0a, 3, NONCE_6 };
	struct packet_spec spec = udp;
	struct stats_quic s;
	uint32_t i, met = 0;

	(void)row;
	balance(p);
	plane_vip(p, 1, VIP_V4, 443, PROTO_UDP, 0);
	for (i = 0; i < CLIENTS; i++) {
		spec.sport = (uint16_t)(5000 + i);
		met |= 1U << backend_of(p, &spec, bytes, sizeof(bytes));
	}
	assert_true(__builtin_popcount(met) > 1);
	plane_sum(p, "stats_quic", 1, &s, sizeof(s));
	assert_int_equal(s.routed + s.unknown + s.unroutable, 0);
}

/* A server id is that of its vip: another's backends have their own. */
static void test_other_vips_servers(struct plane *p, const void *row)
{
	static const uint8_t bytes[] = { 0x40, 0x08, 0x0c, 3, NONCE_6 };
	struct quic_server key = { .vip_id = 2, .id = { 0x0c, 3 } };
	struct packet_spec spec = udp;
	struct stats_quic s;
	uint32_t id = 3;

	(void)row;
	balance(p);
	assert_int_equal(bpf_map_update_elem(plane_map(p, "quic_servers"), &key, &id, 0), 0);
	backend_of(p, &spec, bytes, sizeof(bytes));
	plane_sum(p, "stats_quic", 1, &s, sizeof(s));
	assert_int_equal(s.unknown, 1);
}

/* A fragment's bytes may be anything; all of a datagram meet one backend. */
static void test_fragments(struct plane *p, const void *row)
{
	static const uint8_t bytes[] = { 0x40, 0x08, 0x0a, 3, NONCE_6 };
	struct packet_spec spec = udp;
	uint32_t i, want;

	(void)row;
	balance(p);
	plane_vip_fragments(p, VIP_V4, 443, PROTO_UDP);
	for (i = 0; i < CLIENTS; i++) {
		char source[32];

		snprintf(source, sizeof(source), "198.51.100.%u", 1 + i);
		spec.src = source;
		spec.frag_more = false;
		spec.frag_offset = 185;
		want = backend_of(p, &spec, bytes, 0);
		spec.frag_more = true;
		spec.frag_offset = 0;
		assert_int_equal(backend_of(p, &spec, bytes, sizeof(bytes)), want);
	}
}

static void test_backend_gone(struct plane *p, const void *row)
{
	struct backend gone = { .mtu = MTU };
	struct packet_spec spec = udp;
	uint32_t id = 3;
	struct packet in;

	(void)row;
	balance(p);
	assert_int_equal(bpf_map_update_elem(plane_map(p, "backends"), &id, &gone, 0), 0);
	packet_build(&spec, &in);
	memcpy(in.bytes + in.l4 + 8, cases[0].bytes, 10);
	assert_int_equal(plane_run(p, &in, NULL), PLANE_DROP);
	assert_int_equal(plane_drops(p, DROP_BACKEND_GONE).packets, 1);
}

int main(void)
{
	plane_case_table(test_choice, cases, sizeof(cases[0]), sizeof(cases) / sizeof(cases[0]));
	plane_case_add("a vip without it looks at no connection id", test_other_vip);
	plane_case_add("another vip's server ids are not this one's", test_other_vips_servers);
	plane_case_add("fragments go where fragments go", test_fragments);
	plane_case_add("an id that outlived its backend's record is dropped, and counted",
		       test_backend_gone);
	return plane_case_run("quic");
}
