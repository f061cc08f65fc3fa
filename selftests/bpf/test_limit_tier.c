/* SPDX-License-Identifier: BSD-2-Clause */
/* Tiers: what sources that nobody has proven share, how one is proven, and totals above all. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "lib/proto.h"
#include "plane_case.h"

#define MS    1000000ULL
#define CLASS 1
#define OTHER 2
#define THIRD 3
#define DST   "192.0.2.10"

static const struct packet_spec udp = { .src = "198.51.100.7",
					.dst = DST,
					.proto = PROTO_UDP,
					.sport = 4000,
					.dport = 4001,
					.payload_bytes = 58 };

/* Send n packets, one every step; how many are admitted. */
static uint64_t send_every(struct plane *p, const struct packet_spec *spec, uint64_t n,
			   uint64_t step_ns)
{
	struct packet packet;
	uint64_t admitted = 0, i;

	packet_build(spec, &packet);
	for (i = 0; i < n; i++) {
		admitted += plane_run(p, &packet, NULL) != PLANE_DROP;
		*p->now_ns += step_ns;
	}
	return admitted;
}

static uint64_t send_from(struct plane *p, const char *source, uint64_t n)
{
	struct packet_spec spec = udp;

	spec.src = source;
	return send_every(p, &spec, n, 0);
}

static uint32_t count_clients(struct plane *p)
{
	struct client_key key, next;
	uint32_t n = 0;
	void *at = NULL;

	while (bpf_map_get_next_key(plane_map(p, "clients"), at, &next) == 0) {
		key = next;
		at = &key;
		n++;
	}
	return n;
}

static void test_allocates_nothing(struct plane *p, const void *row)
{
	char source[32];
	uint32_t i;

	(void)row;
	plane_limit(p, CLASS, LIMIT_PACKETS, 1000, 10, false);
	plane_limit_prefix(p, "0.0.0.0", 0, CLASS);
	for (i = 0; i < 5000; i++) {
		snprintf(source, sizeof(source), "10.%u.%u.7", i >> 8, i & 255);
		send_from(p, source, 1);
	}
	assert_int_equal(count_clients(p), 0);
}

/* 1,000 sources in 2 x 256 cells, each at ten times its rate: none gets more than its own bucket. */
static void test_crowd(struct plane *p, const void *row)
{
	uint64_t admitted[1000] = { 0 };
	char source[32];
	uint32_t i, turn;

	(void)row;
	plane_limit(p, CLASS, LIMIT_PACKETS, 100, 4, false);
	plane_limit_prefix(p, "0.0.0.0", 0, CLASS);
	for (turn = 0; turn < 20; turn++) {
		for (i = 0; i < 1000; i++) {
			snprintf(source, sizeof(source), "10.0.%u.%u", i >> 8, i & 255);
			admitted[i] += send_from(p, source, 1);
		}
		*p->now_ns += MS;
	}
	for (i = 0; i < 1000; i++)
		assert_true(admitted[i] <= 4 + 20 * 100 / 1000);
}

static void test_neighbours(struct plane *p, const void *row)
{
	(void)row;
	plane_limit(p, CLASS, LIMIT_PACKETS, 1000, 10, false);
	plane_limit_prefix(p, "0.0.0.0", 0, CLASS);
	assert_int_equal(send_from(p, "198.51.100.7", 20), 10);
	assert_int_equal(send_from(p, "198.51.100.8", 20), 10);
}

/* The agent's word comes while the source's rows are empty: it gets no second burst. */
static void test_proof_is_no_burst(struct plane *p, const void *row)
{
	(void)row;
	plane_limit(p, CLASS, LIMIT_PACKETS, 1000, 10, false);
	plane_limit_prefix(p, "0.0.0.0", 0, CLASS);
	assert_int_equal(send_from(p, "198.51.100.7", 10), 10);
	plane_prove(p, "198.51.100.7", LIMIT_CLASS_NONE);
	assert_false(plane_is_proven(p, "198.51.100.7", CLASS));
	assert_int_equal(send_from(p, "198.51.100.7", 20), 0);
	assert_true(plane_is_proven(p, "198.51.100.7", CLASS));
	*p->now_ns += 5 * MS;
	assert_int_equal(send_from(p, "198.51.100.7", 20), 5);
}

/* Once it has meters of its own, others in its cells cost it nothing. */
static void test_proven_is_alone(struct plane *p, const void *row)
{
	char source[32];
	uint32_t i;

	(void)row;
	plane_limit(p, CLASS, LIMIT_PACKETS, 1000, 10, false);
	plane_limit_prefix(p, "0.0.0.0", 0, CLASS);
	plane_prove(p, "198.51.100.7", CLASS);
	for (i = 0; i < 5000; i++) {
		snprintf(source, sizeof(source), "10.%u.%u.7", i >> 8, i & 255);
		send_from(p, source, 10);
	}
	assert_int_equal(send_from(p, "198.51.100.9", 20), 0);
	assert_int_equal(send_from(p, "198.51.100.7", 20), 10);
}

struct tcp_pair {
	int listener, client, server;
	uint16_t client_port, server_port;
};

static uint16_t port_of(int fd)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	return ntohs(a.sin_port);
}

static void tcp_connect(struct tcp_pair *t)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	socklen_t len = sizeof(a);

	t->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(t->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(t->listener, 1), 0);
	assert_int_equal(getsockname(t->listener, (struct sockaddr *)&a, &len), 0);
	t->client = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(t->client, (struct sockaddr *)&a, sizeof(a)), 0);
	t->server = accept(t->listener, NULL, NULL);
	assert_true(t->server >= 0);
	t->client_port = port_of(t->client);
	t->server_port = port_of(t->server);
}

static void tcp_close(struct tcp_pair *t)
{
	close(t->client);
	close(t->server);
	close(t->listener);
}

static void test_proof_by_socket(struct plane *p, const void *row)
{
	struct packet_spec spec = { .src = "127.0.0.1", .dst = "127.0.0.1", .proto = PROTO_TCP };
	struct tcp_pair t;

	(void)row;
	tcp_connect(&t);
	plane_limit(p, CLASS, LIMIT_PACKETS, 1000, 10, false);
	plane_limit_prefix(p, "0.0.0.0", 0, CLASS);
	assert_int_equal(send_from(p, "127.0.0.1", 10), 10);
	spec.sport = t.client_port;
	spec.dport = t.server_port;
	/* A SYN of the same flow proves nothing, nor does an ACK of a flow that is not there. */
	spec.tcp_flags = TCP_SYN_FLAG;
	send_every(p, &spec, 5, MS / 10);
	assert_false(plane_is_proven(p, "127.0.0.1", CLASS));
	spec.tcp_flags = TCP_ACK_FLAG;
	spec.sport ^= 1;
	send_every(p, &spec, 5, MS / 10);
	assert_false(plane_is_proven(p, "127.0.0.1", CLASS));
	/* Nor does one to a port where somebody merely listens. */
	spec.dport = port_of(t.listener);
	send_every(p, &spec, 5, MS / 10);
	assert_false(plane_is_proven(p, "127.0.0.1", CLASS));
	spec.sport = t.client_port;
	spec.dport = t.server_port;
	send_every(p, &spec, 5, MS / 10);
	assert_true(plane_is_proven(p, "127.0.0.1", CLASS));
	tcp_close(&t);
}

/* Before a flood comes: who is connected is proven by packets that are admitted. */
static void test_proof_beforehand(struct plane *p, const void *row)
{
	struct packet_spec spec = { .src = "127.0.0.1", .dst = "127.0.0.1", .proto = PROTO_TCP };
	struct tcp_pair t;

	(void)row;
	tcp_connect(&t);
	plane_limit(p, CLASS, LIMIT_PACKETS, 1000, 10, false);
	plane_limit_prefix(p, "0.0.0.0", 0, CLASS);
	spec.tcp_flags = TCP_ACK_FLAG;
	spec.sport = t.client_port ^ 1;
	spec.dport = t.server_port;
	send_every(p, &spec, 2, MS);
	assert_false(plane_is_proven(p, "127.0.0.1", CLASS));
	spec.sport = t.client_port;
	send_every(p, &spec, 2, MS);
	assert_true(plane_is_proven(p, "127.0.0.1", CLASS));
	tcp_close(&t);
}

static void test_per_prefix(struct plane *p, const void *row)
{
	(void)row;
	plane_limit(p, CLASS, LIMIT_PACKETS, 1000, 10, false);
	plane_limit_per_prefix(p, CLASS);
	plane_limit_prefix(p, "0.0.0.0", 0, CLASS);
	assert_int_equal(send_from(p, "198.51.100.7", 6), 6);
	assert_int_equal(send_from(p, "198.51.100.8", 6), 4);
	assert_int_equal(send_from(p, "198.51.101.8", 20), 10);
}

/*
 * 20 sources at their limit would take twice the total; 50 others send a tenth of their limit each,
 * half of the total together. Those lose nothing, and the heavy get the rest.
 */
static void test_total_sheds_heavy(struct plane *p, const void *row)
{
	uint64_t light = 0, heavy = 0;
	char source[32];
	uint32_t i, ms;

	(void)row;
	plane_limit(p, CLASS, LIMIT_PACKETS, 1000, 100, false);
	plane_limit_total(p, CLASS, LIMIT_PACKETS, 10000, 1000);
	plane_limit_prefix(p, "0.0.0.0", 0, CLASS);
	for (i = 0; i < 70; i++) {
		snprintf(source, sizeof(source), "10.0.0.%u", i);
		plane_prove(p, source, CLASS);
	}
	for (ms = 0; ms < 1000; ms++) {
		for (i = 0; i < 20; i++) {
			snprintf(source, sizeof(source), "10.0.0.%u", i);
			heavy += send_from(p, source, 3);
		}
		for (i = 20 + ms % 10; i < 70; i += 10) {
			snprintf(source, sizeof(source), "10.0.0.%u", i);
			light += send_from(p, source, 1);
		}
		*p->now_ns += MS;
	}
	assert_int_equal(light, 1000 * 5);
	assert_in_range(heavy + light, 10000 * 95 / 100, 10000 + 1000);
	assert_true(plane_drops(p, DROP_LIMIT_TOTAL).packets > 0);
}

/* Nobody heavy to shed: the total holds all the same, and made-up sources leave the proven a quarter. */
static void test_total_is_a_bound(struct plane *p, const void *row)
{
	uint64_t admitted = 0;
	char source[32];
	uint32_t i;

	(void)row;
	plane_limit_total(p, CLASS, LIMIT_PACKETS, 1000, 100);
	plane_limit_prefix(p, "0.0.0.0", 0, CLASS);
	for (i = 0; i < 1000; i++) {
		snprintf(source, sizeof(source), "10.0.%u.%u", i >> 8, i & 255);
		admitted += send_from(p, source, 1);
	}
	assert_int_equal(admitted, 75);
	plane_prove(p, "198.51.100.7", CLASS);
	assert_int_equal(send_from(p, "198.51.100.7", 50), 25);
}

/* A total that a flood of made-up sources uses up costs a proven source at its limit nothing. */
static void test_total_spares_proven(struct plane *p, const void *row)
{
	uint64_t proven = 0, others = 0;
	uint32_t i, ms, n = 0;
	char source[32];

	(void)row;
	plane_limit(p, CLASS, LIMIT_PACKETS, 1000, 20, false);
	plane_limit_total(p, CLASS, LIMIT_PACKETS, 5000, 500);
	plane_limit_prefix(p, "0.0.0.0", 0, CLASS);
	plane_prove(p, "198.51.100.7", CLASS);
	send_from(p, "198.51.100.7", 20); /* its burst is gone before: it stays at its limit */
	for (ms = 0; ms < 500; ms++) {
		*p->now_ns += MS;
		for (i = 0; i < 20; i++, n++) {
			snprintf(source, sizeof(source), "10.%u.%u.7", n >> 8 & 255, n & 255);
			others += send_from(p, source, 1);
		}
		proven += send_from(p, "198.51.100.7", 1);
	}
	assert_int_equal(proven, 500);
	assert_in_range(proven + others, 2500, 2500 + 500);
}

/* What the total refuses is looked at too: else who is real would never be told from the flood. */
static void test_total_refusal_proves(struct plane *p, const void *row)
{
	char source[32];
	uint32_t i;

	(void)row;
	plane_limit_total(p, CLASS, LIMIT_PACKETS, 1000, 100);
	plane_limit_prefix(p, "0.0.0.0", 0, CLASS);
	plane_prove(p, "198.51.100.7", LIMIT_CLASS_NONE);
	for (i = 0; i < 75; i++) {
		snprintf(source, sizeof(source), "10.0.0.%u", i);
		assert_int_equal(send_from(p, source, 1), 1);
	}
	assert_int_equal(send_from(p, "198.51.100.7", 2), 1); /* the first is what proves it */
	assert_true(plane_is_proven(p, "198.51.100.7", CLASS));
}

struct kind {
	const char *sentence;
	enum limit_kind kind;
	struct packet_spec spec;
	bool hit;
};

#define FROM .src = "198.51.100.7", .dst = DST

static const struct kind kinds[] = {
	{ "a first fragment is a fragment",
	  LIMIT_KIND_FRAGMENT,
	  { FROM, .proto = PROTO_UDP, .frag_more = true, .payload_bytes = 16 },
	  true },
	{ "a later fragment is a fragment",
	  LIMIT_KIND_FRAGMENT,
	  { FROM, .proto = PROTO_UDP, .frag_offset = 9, .payload_bytes = 16 },
	  true },
	{ "a whole packet is no fragment",
	  LIMIT_KIND_FRAGMENT,
	  { FROM, .proto = PROTO_UDP },
	  false },
	{ "UDP from the port of NTP is amplification",
	  LIMIT_KIND_AMPLIFICATION,
	  { FROM, .proto = PROTO_UDP, .sport = 123, .dport = 4000 },
	  true },
	{ "UDP to the port of NTP is none",
	  LIMIT_KIND_AMPLIFICATION,
	  { FROM, .proto = PROTO_UDP, .sport = 4000, .dport = 123 },
	  false },
	{ "TCP from that port is none",
	  LIMIT_KIND_AMPLIFICATION,
	  { FROM, .proto = PROTO_TCP, .sport = 123, .dport = 4000 },
	  false },
	{ "a ping is ICMP", LIMIT_KIND_ICMP, { FROM, .proto = PROTO_ICMP, .icmp_type = 8 }, true },
	{ "GRE is another transport",
	  LIMIT_KIND_OTHER_L4,
	  { FROM, .proto = 47, .payload_bytes = 8 },
	  true },
	{ "UDP is not another transport",
	  LIMIT_KIND_OTHER_L4,
	  { FROM, .proto = PROTO_UDP },
	  false },
};

static void test_kind(struct plane *p, const void *row)
{
	struct limit_amplifier ntp = { 0 };
	const struct kind *k = row;

	ntp.port[123 / 64] = 1ULL << 123 % 64;
	assert_int_equal(bpf_map_update_elem(plane_map(p, "limit_amplifier"), &(uint32_t) { 0 },
					     &ntp, BPF_ANY),
			 0);
	plane_limit(p, CLASS, LIMIT_PACKETS, 1000, 3, false);
	plane_limit_kind(p, k->kind, CLASS);
	assert_int_equal(send_every(p, &k->spec, 10, 0), k->hit ? 3 : 10);
}

/* Three classes of a set and one by kind: each can refuse, and none of the others is charged. */
static void test_several(struct plane *p, const void *row)
{
	static const uint32_t order[] = { 4, CLASS, OTHER, THIRD };
	struct packet_spec fragment = udp;
	uint32_t tightest, i;

	(void)row;
	fragment.frag_more = true;
	plane_limit_kind(p, LIMIT_KIND_FRAGMENT, 4);
	plane_limit_prefix(p, "0.0.0.0", 0, CLASS);
	plane_limit_set(p, CLASS, 0, (const uint8_t[]) { CLASS, OTHER, THIRD });
	for (tightest = 0; tightest < 4; tightest++) {
		for (i = 0; i < 4; i++)
			plane_limit(p, order[i], LIMIT_PACKETS, 1000, i == tightest ? 5 : 50,
				    false);
		*p->now_ns += PLANE_SECOND;
		assert_int_equal(send_every(p, &fragment, 20, 0), 5);
		for (i = 0; i < 4; i++)
			assert_int_equal(plane_meter(p, udp.src, order[i], LIMIT_PACKETS) -
						 gcra_now_fp(*p->now_ns),
					 5 * GCRA_FP_PER_S / 1000);
	}
}

static void test_ports(struct plane *p, const void *row)
{
	static struct limit_ports ports;
	struct packet_spec spec = udp;
	struct limit_state state;

	(void)row;
	ports.service[4001] = 9;
	assert_int_equal(bpf_map_update_elem(plane_map(p, "limit_port"),
					     &(uint32_t) { LIMIT_PORT_UDP }, &ports, BPF_ANY),
			 0);
	plane_limit_state(p, &state);
	state.has_ports = 1;
	plane_limit_state_set(p, &state);
	plane_limit(p, CLASS, LIMIT_PACKETS, 1000, 5, false);
	plane_limit_set(p, 0, 9, (const uint8_t[]) { CLASS, 0, 0 });
	assert_int_equal(send_every(p, &spec, 20, 0), 5);
	spec.dport = 4002;
	assert_int_equal(send_every(p, &spec, 20, 0), 20);
	spec.dport = 4001;
	spec.proto = PROTO_TCP;
	assert_int_equal(send_every(p, &spec, 20, 0), 20);
}

/* The key changes while a source is at its limit: neither a second burst nor a loss. */
static void test_rotation(struct plane *p, const void *row)
{
	struct limit_state state;

	(void)row;
	plane_limit(p, CLASS, LIMIT_PACKETS, 1000, 10, false);
	plane_limit_prefix(p, "0.0.0.0", 0, CLASS);
	assert_int_equal(send_from(p, "198.51.100.7", 20), 10);
	plane_limit_state(p, &state);
	state.charge_both = 1;
	plane_limit_state_set(p, &state);
	/* For as long as a bucket takes to fill, at the rate. */
	assert_int_equal(send_every(p, &udp, 100, MS / 10), 9);
	state.charge_both = 0;
	state.active_key = 1;
	plane_limit_state_set(p, &state);
	assert_int_equal(send_from(p, "198.51.100.7", 20), 1);
	*p->now_ns += 4 * MS;
	assert_int_equal(send_from(p, "198.51.100.7", 20), 4);
}

int main(void)
{
	plane_case_add("sources that nobody has proven allocate nothing", test_allocates_nothing);
	plane_case_add("a crowd in few cells gets no more than its buckets", test_crowd);
	plane_case_add("a source at its limit costs its neighbour nothing", test_neighbours);
	plane_case_add("being proven is no second burst", test_proof_is_no_burst);
	plane_case_add("a proven source loses nothing to a flood", test_proven_is_alone);
	plane_case_add("an established connection is proof, a lone ACK is none",
		       test_proof_by_socket);
	plane_case_add("a connection is proof before anything is refused", test_proof_beforehand);
	plane_case_add("a class can count a /24 as one", test_per_prefix);
	plane_case_add("a total sheds the heavy and spares the light", test_total_sheds_heavy);
	plane_case_add("a total is a bound over all sources", test_total_is_a_bound);
	plane_case_add("a total leaves the proven what they need", test_total_spares_proven);
	plane_case_add("who is refused by a total can prove itself", test_total_refusal_proves);
	plane_case_table(test_kind, kinds, sizeof(kinds[0]), sizeof(kinds) / sizeof(kinds[0]));
	plane_case_add("several limits apply, and a refusal charges none", test_several);
	plane_case_add("a port can have a limit of its own", test_ports);
	plane_case_add("a change of the key gives nobody a second burst", test_rotation);
	return plane_case_run("limit_tier");
}
