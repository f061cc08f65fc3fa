/* SPDX-License-Identifier: BSD-2-Clause */
/* The response factor: what a UDP service of this host may answer to what it was asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "lib/proto.h"
#include "plane.h"
#include "plane_pool.h"
#include "sluice/abi/response.h"

#define CLIENT	 "198.51.100.7"
#define OTHER	 "198.51.100.8"
#define HOST	 "192.0.2.53"
#define HEADERS	 42 /* Ethernet, IPv4, UDP */
#define FACTOR	 3
#define SET_BITS 4

struct world {
	struct plane in, out;
};

static void write_state(struct world *w)
{
	struct response_state s = { .enabled = 1, .set_bits = SET_BITS };
	uint32_t i, zero = 0;

	for (i = 0; i < RESPONSE_KEY_WORDS; i++) {
		s.key.set[i] = 0x9e3779b97f4a7c15ULL * (i + 3);
		s.key.tag[i] = 0xc2b2ae3d27d4eb4fULL * (i + 5);
	}
	assert_int_equal(bpf_map_update_elem(plane_map(&w->in, "response_state"), &zero, &s, 0), 0);
}

static void declare(struct world *w, const char *address, uint16_t port, uint32_t factor,
		    uint32_t flags)
{
	struct response_key key = { .address = packet_addr(address),
				    .port = __builtin_bswap16(port) };
	struct response_service service = { .factor = factor, .flags = flags };

	assert_int_equal(
		bpf_map_update_elem(plane_map(&w->in, "response_service"), &key, &service, BPF_ANY),
		0);
}

static int open_world(enum plane_hook hook, void **ret)
{
	static struct world w;

	plane_open(&w.in, hook, NULL);
	plane_open_egress(&w.out, &w.in, NULL);
	write_state(&w);
	declare(&w, HOST, 53, FACTOR, 0);
	declare(&w, HOST, 0, FACTOR, 0);
	*ret = &w;
	return 0;
}

static int open_xdp(void **ret)
{
	return open_world(PLANE_XDP, ret);
}

static int open_tc(void **ret)
{
	return open_world(PLANE_TC, ret);
}

static int close_world(void **state)
{
	struct world *w = *state;

	plane_close(&w->out);
	plane_close(&w->in);
	return 0;
}

/* A question of so many bytes on the wire. */
static void ask(struct world *w, const char *client, uint32_t bytes)
{
	const struct packet_spec spec = { .src = client,
					  .dst = HOST,
					  .proto = PROTO_UDP,
					  .sport = 4000,
					  .dport = 53,
					  .payload_bytes = bytes - HEADERS };

	assert_int_equal(plane_run_spec(&w->in, &spec), PLANE_PASS);
}

static bool answered(struct world *w, const char *client, uint32_t bytes)
{
	const struct packet_spec spec = { .src = HOST,
					  .dst = client,
					  .proto = PROTO_UDP,
					  .sport = 53,
					  .dport = 4000,
					  .payload_bytes = bytes - HEADERS };

	return plane_run_spec(&w->out, &spec) == PLANE_PASS;
}

static struct stats_response stats(struct world *w)
{
	struct stats_response s;

	plane_sum(&w->in, "stats_response", 0, &s, sizeof(s));
	return s;
}

static void test_factor(void **state)
{
	struct world *w = *state;

	/* Nobody asked. */
	assert_false(answered(w, CLIENT, 100));
	ask(w, CLIENT, 100);
	assert_true(answered(w, CLIENT, 200));
	assert_false(answered(w, CLIENT, 101));
	assert_true(answered(w, CLIENT, 100));
	assert_false(answered(w, CLIENT, HEADERS));
	/* Another client's credit is not its. */
	ask(w, OTHER, 1000);
	assert_false(answered(w, CLIENT, 100));
	assert_true(answered(w, OTHER, 1400));
	assert_true(answered(w, OTHER, 1400));
	assert_int_equal(plane_drops(&w->in, DROP_RESPONSE_FACTOR).packets, 4);
	assert_int_equal(stats(w).asked_bytes, 1100);
	assert_int_equal(stats(w).answered_bytes, 3100);
}

static void test_ipv6_by_64(void **state)
{
	struct packet_spec question = { .src = "2001:db8:1::7",
					.dst = "2001:db8::53",
					.proto = PROTO_UDP,
					.sport = 4000,
					.dport = 53,
					.payload_bytes = 100 };
	struct packet_spec reply = { .src = "2001:db8::53",
				     .dst = "2001:db8:1::8",
				     .proto = PROTO_UDP,
				     .sport = 53,
				     .dport = 4000,
				     .payload_bytes = 300 };
	struct world *w = *state;

	declare(w, "2001:db8::53", 53, FACTOR, 0);
	assert_int_equal(plane_run_spec(&w->out, &reply), PLANE_DROP);
	assert_int_equal(plane_run_spec(&w->in, &question), PLANE_PASS);
	assert_int_equal(plane_run_spec(&w->out, &reply), PLANE_PASS);
	reply.dst = "2001:db8:2::8";
	assert_int_equal(plane_run_spec(&w->out, &reply), PLANE_DROP);
}

static void test_others_are_free(void **state)
{
	struct packet_spec spec = { .src = HOST,
				    .dst = CLIENT,
				    .proto = PROTO_UDP,
				    .sport = 54,
				    .dport = 4000,
				    .payload_bytes = 100 };
	struct world *w = *state;

	assert_int_equal(plane_run_spec(&w->out, &spec), PLANE_PASS);
	spec.sport = 53;
	spec.src = "192.0.2.54";
	assert_int_equal(plane_run_spec(&w->out, &spec), PLANE_PASS);
	spec.src = HOST;
	spec.proto = PROTO_TCP;
	assert_int_equal(plane_run_spec(&w->out, &spec), PLANE_PASS);
}

/* An answer in fragments: each is paid for, those without ports too. */
static void test_fragments(void **state)
{
	struct packet_spec first = { .src = HOST,
				     .dst = CLIENT,
				     .proto = PROTO_UDP,
				     .sport = 53,
				     .dport = 4000,
				     .frag_more = true,
				     .udp_length = 2000,
				     .payload_bytes = 1000 };
	struct packet_spec later = { .src = HOST,
				     .dst = CLIENT,
				     .proto = PROTO_UDP,
				     .frag_offset = 126,
				     .payload_bytes = 992 };
	struct world *w = *state;

	assert_int_equal(plane_run_spec(&w->out, &first), PLANE_DROP);
	assert_int_equal(plane_run_spec(&w->out, &later), PLANE_DROP);
	ask(w, CLIENT, 1000);
	assert_int_equal(plane_run_spec(&w->out, &first), PLANE_PASS);
	assert_int_equal(plane_run_spec(&w->out, &later), PLANE_PASS);
	assert_int_equal(plane_run_spec(&w->out, &first), PLANE_DROP);
}

/*
 * Far more clients than the table has room for ask, each is answered later if at all: whatever was
 * forgotten, nobody gets more than its factor, and the last to ask are remembered.
 */
static void test_full_table(void **state)
{
	uint32_t n = (RESPONSE_WAYS << SET_BITS) * 20, i, late = 0;
	struct world *w = *state;
	char client[32];

	for (i = 0; i < n; i++) {
		snprintf(client, sizeof(client), "10.0.%u.%u", i >> 8, i & 255);
		ask(w, client, 100);
		assert_true(answered(w, client, 150));
		if (i % 20 == 0)
			*w->in.now_ns = *w->out.now_ns += PLANE_SECOND;
	}
	assert_in_range(stats(w).forgotten, n - (RESPONSE_WAYS << SET_BITS), n);
	for (i = 0; i < n; i++) {
		snprintf(client, sizeof(client), "10.0.%u.%u", i >> 8, i & 255);
		late += answered(w, client, 150);
		assert_false(answered(w, client, 150));
	}
	assert_in_range(late, (RESPONSE_WAYS << SET_BITS) / 2, RESPONSE_WAYS << SET_BITS);
}

static void test_dry_run(void **state)
{
	struct world *w = *state;

	declare(w, HOST, 53, FACTOR, RESPONSE_DRY_RUN);
	assert_true(answered(w, CLIENT, 100));
	assert_int_equal(stats(w).would_drop_packets, 1);
	ask(w, CLIENT, 100);
	assert_true(answered(w, CLIENT, 300));
	assert_int_equal(stats(w).would_drop_packets, 1);
}

static void test_switched_off(void **state)
{
	struct response_state s;
	struct world *w = *state;
	uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(plane_map(&w->in, "response_state"), &zero, &s), 0);
	s.enabled = 0;
	assert_int_equal(bpf_map_update_elem(plane_map(&w->in, "response_state"), &zero, &s, 0), 0);
	assert_true(answered(w, CLIENT, 100));
	ask(w, CLIENT, 100);
	assert_int_equal(stats(w).asked_bytes, 0);
}

/* Credit stops at 4 GiB, and does not start again from nothing. */
static void test_credit_is_bounded(void **state)
{
	struct world *w = *state;
	uint64_t word;
	uint32_t i;
	int fd = plane_map(&w->in, "response_credit");

	declare(w, HOST, 53, RESPONSE_FACTOR_MAX, 0);
	ask(w, CLIENT, 1000);
	for (i = 0; i < RESPONSE_WAYS << SET_BITS; i++) {
		assert_int_equal(bpf_map_lookup_elem(fd, &i, &word), 0);
		if (!word)
			continue;
		assert_int_equal(word & RESPONSE_CREDIT_MASK, 1000 * RESPONSE_FACTOR_MAX);
		word |= RESPONSE_CREDIT_MASK;
		assert_int_equal(bpf_map_update_elem(fd, &i, &word, BPF_ANY), 0);
		ask(w, CLIENT, 1000);
		assert_int_equal(bpf_map_lookup_elem(fd, &i, &word), 0);
		assert_int_equal(word & RESPONSE_CREDIT_MASK, RESPONSE_CREDIT_MASK);
		return;
	}
	fail_msg("the credit is nowhere");
}

#define ON_BOTH(fn)                                                 \
	cmocka_unit_test_setup_teardown(fn, open_xdp, close_world), \
	{                                                           \
		"tc: " #fn, fn, open_tc, close_world, NULL          \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(test_factor),	       ON_BOTH(test_ipv6_by_64),
		ON_BOTH(test_others_are_free), ON_BOTH(test_fragments),
		ON_BOTH(test_full_table),      ON_BOTH(test_dry_run),
		ON_BOTH(test_switched_off),    ON_BOTH(test_credit_is_bounded),
	};

	plane_pool_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
