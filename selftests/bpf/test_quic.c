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
#include "quic_key.skel.h"
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

/* draft-ietf-quic-load-balancers-19 B.2; the last three as selftests/harness/quic_lb.py makes them. */
static const uint8_t key[QUIC_KEY_BYTES] = { 0x8f, 0x95, 0xf0, 0x92, 0x45, 0x76, 0x5f, 0x80,
					     0x25, 0x69, 0x34, 0xe5, 0x0c, 0x66, 0x20, 0x7f };

/* By configuration; the backend is the configuration and one. */
static const struct {
	uint8_t id_bytes, nonce_bytes;
	uint8_t id[15];
	uint8_t body[19];
} vectors[] = {
	{ 3, 4, { 0xed, 0x79, 0x3a }, { 0x20, 0xb1, 0xd0, 0x7b, 0x35, 0x9d, 0x3c } },
	{ 10,
	  5,
	  { 0xed, 0x79, 0x3a, 0x51, 0xd4, 0x9b, 0x8f, 0x5f, 0xab, 0x65 },
	  { 0xcc, 0x38, 0x1b, 0xc7, 0x4c, 0xb4, 0xfb, 0xad, 0x28, 0x23, 0xa3, 0xd1, 0xf8, 0xfe,
	    0xd2 } },
	{ 8,
	  8,
	  { 0xed, 0x79, 0x3a, 0x51, 0xd4, 0x9b, 0x8f, 0x5f },
	  { 0x4d, 0xd2, 0xd0, 0x5a, 0x7b, 0x0d, 0xe9, 0xb2, 0xb9, 0x90, 0x7a, 0xfb, 0x5e, 0xcf,
	    0x8c, 0xc3 } },
	{ 9,
	  9,
	  { 0xed, 0x79, 0x3a, 0x51, 0xd4, 0x9b, 0x8f, 0x5f, 0xab },
	  { 0x57, 0x79, 0xc9, 0xcc, 0x86, 0xbe, 0xb3, 0xa3, 0xa4, 0xa3, 0xca, 0x96, 0xfc, 0xe4,
	    0xbf, 0xe0, 0xcd, 0xbc } },
	{ 15,
	  4,
	  { [14] = 5 },
	  { 0x8e, 0x87, 0x87, 0x50, 0x97, 0x24, 0xee, 0x3a, 0xa3, 0x5d, 0x1b, 0xfa, 0x60, 0x2f,
	    0x8b, 0x08, 0xdb, 0xca, 0xd5 } },
	{ 1,
	  18,
	  { 5 },
	  { 0x9e, 0xd0, 0xcd, 0x28, 0xb5, 0x8b, 0xb6, 0x5f, 0x11, 0xd9, 0xda, 0x4a, 0x8a, 0x41,
	    0xc7, 0xaf, 0xca, 0x9d, 0x48 } },
	{ 12,
	  4,
	  { [11] = 5 },
	  { 0x03, 0x22, 0xfc, 0x85, 0x01, 0x95, 0xcf, 0x7c, 0x7d, 0x7d, 0xf6, 0xee, 0xa6, 0xb5,
	    0x1c, 0xbe } },
};

#define VECTORS (sizeof(vectors) / sizeof(vectors[0]))

/* Of the vip's configurations, which are encrypted: NULL removes the ciphers. */
static void set_key(struct quic_key *programs, const uint8_t *with)
{
	struct quic_key_call args = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &args, .ctx_size_in = sizeof(args));
	uint32_t config;
	int fd = bpf_program__fd(with ? programs->progs.quic_key_set
				      : programs->progs.quic_key_remove);

	for (config = 0; config < VECTORS; config++) {
		args.index = quic_key_index(1, config);
		memcpy(args.key, with ? with : key, sizeof(args.key));
		assert_int_equal(bpf_prog_test_run_opts(fd, &opts), 0);
		assert_int_equal(opts.retval, 0);
	}
}

/* Each connection id in both forms of header, as long as it is or cut by so many bytes. */
static struct stats_quic send_vectors(struct plane *p, uint32_t cut_bytes, bool routed)
{
	struct packet_spec spec = udp;
	struct stats_quic before, after;
	uint8_t config, is_long;

	plane_sum(p, "stats_quic", 1, &before, sizeof(before));
	for (config = 0; config < VECTORS; config++) {
		uint32_t body_bytes = vectors[config].id_bytes + vectors[config].nonce_bytes;

		for (is_long = 0; is_long < 2; is_long++) {
			uint8_t bytes[40] = { is_long ? 0xc3 : 0x40,	0, 0, 0, 1,
					      (uint8_t)(1 + body_bytes) };
			uint32_t at = is_long ? 6 : 1;

			bytes[at] = (uint8_t)(config << 5 | body_bytes);
			memcpy(bytes + at + 1, vectors[config].body, body_bytes);
			spec.payload_bytes = at + 1 + body_bytes - cut_bytes;
			uint32_t met = backend_of(p, &spec, bytes, spec.payload_bytes);

			if (routed)
				assert_int_equal(met, config + 1U);
		}
	}
	plane_sum(p, "stats_quic", 1, &after, sizeof(after));
	return (struct stats_quic) { after.routed - before.routed,
				     after.unroutable - before.unroutable,
				     after.unknown - before.unknown };
}

static void balance_encrypted(struct plane *p)
{
	uint32_t vip_id = 1;
	struct quic q = { .nonce_bytes = { 0 } };
	uint8_t config;

	balance(p);
	for (config = 0; config < VECTORS; config++) {
		q.server_id_bytes[config] = vectors[config].id_bytes;
		q.nonce_bytes[config] = vectors[config].nonce_bytes | QUIC_ENCRYPTED;
		put_server(p, config, vectors[config].id, vectors[config].id_bytes, config + 1);
	}
	assert_int_equal(bpf_map_update_elem(plane_map(p, "quic"), &vip_id, &q, 0), 0);
}

static struct quic_key *load_programs(struct plane *p)
{
	struct quic_key *programs = quic_key__open();

	assert_non_null(programs);
	programs->rodata->quic_encryption = true;
	assert_int_equal(bpf_map__set_pin_path(programs->maps.quic_keys, NULL), 0);
	assert_int_equal(bpf_map__reuse_fd(programs->maps.quic_keys, plane_map(p, "quic_keys")), 0);
	assert_int_equal(quic_key__load(programs), 0);
	return programs;
}

/* One load of what makes ciphers for all of them. */
static void test_encrypted(struct plane *p, const void *row)
{
	static const uint8_t other[QUIC_KEY_BYTES] = { 1 };
	const uint64_t all = 2 * VECTORS;
	struct quic_key *programs;
	struct stats_quic s;

	(void)row;
	balance_encrypted(p);
	s = send_vectors(p, 0, false);
	assert_int_equal(s.unroutable, all); /* there is no cipher yet, or the kernel has none */
	if (!plane_encrypts())
		return;
	programs = load_programs(p);
	set_key(programs, key);
	s = send_vectors(p, 0, true);
	assert_int_equal(s.routed, all);
	s = send_vectors(p, 1, false);
	assert_int_equal(s.unroutable, all);
	set_key(programs, other);
	s = send_vectors(p, 0, false);
	assert_int_equal(s.unknown, all);
	set_key(programs, key);
	s = send_vectors(p, 0, true);
	assert_int_equal(s.routed, all);
	set_key(programs, NULL);
	s = send_vectors(p, 0, false);
	assert_int_equal(s.unroutable, all);
	quic_key__destroy(programs);
}

int main(void)
{
	plane_case_table(test_choice, cases, sizeof(cases[0]), sizeof(cases) / sizeof(cases[0]));
	plane_case_add("a vip without it looks at no connection id", test_other_vip);
	plane_case_add("another vip's server ids are not this one's", test_other_vips_servers);
	plane_case_add("fragments go where fragments go", test_fragments);
	plane_case_add("the draft's encrypted ids, with and without their key", test_encrypted);
	plane_case_add("an id that outlived its backend's record is dropped, and counted",
		       test_backend_gone);
	return plane_case_run("quic");
}
