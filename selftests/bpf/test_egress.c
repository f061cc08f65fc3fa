/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits of what goes out: who they count, what they mark, what they drop. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "dataplane/top_map.h"
#include "lib/proto.h"
#include "plane.h"
#include "plane_pool.h"
#include "sluice/algo/csum.h"

#define MS     1000000ULL
#define CLASS  1
#define OTHER  2
#define GROUP  5
#define WEB    7 /* services of the way out */
#define REST   8
#define CLIENT "198.51.100.7"
#define HOST   "192.0.2.10"
#define ECT0   2
#define CE     3

struct world {
	struct plane in, out;
};

static const struct packet_spec answer = { .src = HOST,
					   .dst = CLIENT,
					   .proto = PROTO_TCP,
					   .sport = 80,
					   .dport = 4000,
					   .tcp_flags = TCP_ACK_FLAG,
					   .payload_bytes = 946 }; /* 1000 bytes */

/* Port 80 over TCP has a service of its own; the rest shares one. */
static void write_services(struct plane *p)
{
	static struct limit_ports ports[2];
	struct limit_state state;
	uint32_t table;

	memset(ports, REST, sizeof(ports));
	ports[1].service[80] = WEB;
	for (table = LIMIT_PORT_EGRESS_UDP; table < LIMIT_PORT_TABLES; table++)
		assert_int_equal(bpf_map_update_elem(plane_map(p, "limit_port"), &table,
						     &ports[table == LIMIT_PORT_EGRESS_TCP],
						     BPF_ANY),
				 0);
	plane_limit_state(p, &state);
	state.has_egress = 1;
	plane_limit_state_set(p, &state);
}

static const struct plane_settings with_events = { .events_per_s = 1000 };

static int open_world(void **ret)
{
	static struct world w;

	plane_open(&w.in, PLANE_XDP, &with_events);
	plane_open_egress(&w.out, &w.in, &with_events);
	write_services(&w.in);
	*ret = &w;
	return 0;
}

static int close_world(void **state)
{
	struct world *w = *state;

	plane_close(&w->out);
	plane_close(&w->in);
	return 0;
}

static void limit_everybody(struct world *w, uint32_t id, uint32_t service)
{
	plane_limit_set(&w->in, 0, service, (const uint8_t[]) { (uint8_t)id, 0, 0 });
}

static uint64_t send_n(struct world *w, const struct packet_spec *spec, uint32_t n)
{
	uint64_t sent = 0;
	uint32_t i;

	for (i = 0; i < n; i++)
		sent += plane_run_spec(&w->out, spec) == PLANE_PASS;
	return sent;
}

static struct stats_limit stats_of(struct world *w, uint32_t id)
{
	struct stats_limit s;

	plane_sum(&w->in, "stats_limit", id, &s, sizeof(s));
	return s;
}

static void test_bytes_per_client(void **state)
{
	struct world *w = *state;
	struct packet_spec other = answer;

	plane_limit(&w->in, CLASS, LIMIT_BYTES, 1000000, 10000, false);
	limit_everybody(w, CLASS, WEB);
	assert_int_equal(send_n(w, &answer, 30), 10);
	/* Another client's bucket is its own; another port of this side has no limit. */
	other.dst = "198.51.100.8";
	assert_int_equal(send_n(w, &other, 30), 10);
	other = answer;
	other.sport = 81;
	assert_int_equal(send_n(w, &other, 30), 30);
	*w->out.now_ns += 3 * MS;
	assert_int_equal(send_n(w, &answer, 30), 3);
	assert_int_equal(plane_drops(&w->in, DROP_EGRESS_LIMIT).packets, 20 + 20 + 27);
	assert_int_equal(stats_of(w, CLASS).dropped[LIMIT_BYTES].bytes, 67 * 1000);
	assert_int_equal(plane_actions(&w->in, STATS_EGRESS_PASS).packets, 10 + 10 + 30 + 3);
	assert_int_equal(plane_actions(&w->in, STATS_EGRESS_DROP).packets, 67);
	/* What comes in is counted elsewhere. */
	assert_int_equal(plane_drops(&w->in, DROP_NONE).packets, 0);
}

/* Any window: ten thousand packets over a second, ten times what the rate has room for. */
static void test_bound(void **state)
{
	struct world *w = *state;
	uint64_t sent = 0;
	uint32_t i;

	plane_limit(&w->in, CLASS, LIMIT_BYTES, 1000000, 5000, false);
	limit_everybody(w, CLASS, WEB);
	for (i = 0; i < 10000; i++) {
		sent += send_n(w, &answer, 1);
		*w->out.now_ns += MS / 10;
	}
	assert_in_range(sent, 1000, 1005);
}

static void test_way_in_is_apart(void **state)
{
	struct packet_spec question = { .src = CLIENT,
					.dst = HOST,
					.proto = PROTO_TCP,
					.sport = 4000,
					.dport = 80,
					.tcp_flags = TCP_ACK_FLAG };
	struct world *w = *state;
	uint32_t i;

	plane_limit(&w->in, CLASS, LIMIT_PACKETS, 1000, 5, false);
	plane_limit(&w->in, OTHER, LIMIT_PACKETS, 1000, 3, false);
	limit_everybody(w, CLASS, WEB);
	limit_everybody(w, OTHER, 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(plane_run_spec(&w->in, &question), PLANE_PASS);
	assert_int_equal(plane_run_spec(&w->in, &question), PLANE_DROP);
	assert_int_equal(send_n(w, &answer, 20), 5);
}

static void test_prefix(void **state)
{
	struct world *w = *state;
	struct packet_spec inside = answer;

	plane_limit(&w->in, CLASS, LIMIT_PACKETS, 1000, 5, false);
	plane_limit_prefix(&w->in, "203.0.113.0", 24, GROUP);
	plane_limit_set(&w->in, GROUP, WEB, (const uint8_t[]) { CLASS, 0, 0 });
	inside.dst = "203.0.113.9";
	assert_int_equal(send_n(w, &inside, 20), 5);
	assert_int_equal(send_n(w, &answer, 20), 20);
}

static void test_lists(void **state)
{
	struct world *w = *state;
	struct packet_spec spec = answer;
	struct errmsg err;

	plane_limit(&w->in, CLASS, LIMIT_PACKETS, 1000, 5, false);
	limit_everybody(w, CLASS, WEB);
	plane_acl(&w->in, SOURCE_LIST_ALLOW, "203.0.113.9", 32);
	plane_acl(&w->in, SOURCE_LIST_DENY, "203.0.113.10", 32);
	assert_int_equal(source_table_apply(w->in.sources, &err), 0);
	spec.dst = "203.0.113.9";
	assert_int_equal(send_n(w, &spec, 20), 20);
	/* A denied client is not spoken to by a listener; what the host sends to it is limited. */
	spec.dst = "203.0.113.10";
	assert_int_equal(send_n(w, &spec, 20), 5);
}

static void test_proven_is_exact(void **state)
{
	struct world *w = *state;

	plane_limit(&w->in, CLASS, LIMIT_PACKETS, 1000, 5, false);
	limit_everybody(w, CLASS, WEB);
	plane_prove(&w->in, CLIENT, LIMIT_CLASS_NONE);
	assert_int_equal(send_n(w, &answer, 20), 5);
	assert_true(plane_is_proven(&w->in, CLIENT, CLASS));
	assert_false(plane_is_proven(&w->in, HOST, CLASS));
}

static void test_total(void **state)
{
	struct world *w = *state;
	struct packet_spec spec = answer;
	uint64_t sent = 0;
	char client[32];
	uint32_t i;

	plane_limit_total(&w->in, CLASS, LIMIT_BYTES, 1000000, 50000);
	limit_everybody(w, CLASS, WEB);
	spec.dst = client;
	for (i = 0; i < 200; i++) {
		snprintf(client, sizeof(client), "10.0.0.%u", i);
		sent += send_n(w, &spec, 1);
	}
	assert_int_equal(sent, 38); /* three quarters: the rest is for the proven */
}

static void test_dry_run(void **state)
{
	struct packet_spec spec = answer;
	struct world *w = *state;

	spec.traffic_class = ECT0;
	plane_limit(&w->in, CLASS, LIMIT_PACKETS, 1000, 5, true);
	limit_everybody(w, CLASS, WEB);
	assert_int_equal(send_n(w, &spec, 20), 20);
	assert_int_equal(stats_of(w, CLASS).would_drop[LIMIT_PACKETS].packets, 15);
	assert_int_equal(stats_of(w, CLASS).marked.packets, 0);
	assert_int_equal(plane_drops(&w->in, DROP_EGRESS_LIMIT).packets, 0);
}

/* Three segments leave as one: three headers, and three packets. */
static void test_merged(void **state)
{
	const struct plane_gso gso = { .segments = 3, .payload_bytes = 1000 };
	struct packet_spec spec = answer;
	struct world *w = *state;
	struct packet packet;

	spec.payload_bytes = 3000;
	packet_build(&spec, &packet);
	plane_limit(&w->in, CLASS, LIMIT_PACKETS, 1000, 8, false);
	limit_everybody(w, CLASS, WEB);
	assert_int_equal(plane_run_gso(&w->out, &packet, &gso), PLANE_PASS);
	assert_int_equal(plane_run_gso(&w->out, &packet, &gso), PLANE_PASS);
	assert_int_equal(plane_run_gso(&w->out, &packet, &gso), PLANE_DROP);
	assert_int_equal(stats_of(w, CLASS).admitted.packets, 6);
	assert_int_equal(stats_of(w, CLASS).admitted.bytes, 6 * (1000 + 54));
}

/* A guest's packet may be merged of nobody knows how many: never fewer than they are. */
static void test_merged_of_unknown_number(void **state)
{
	const struct plane_gso gso = { .segments = 0, .payload_bytes = 1000 };
	struct packet_spec spec = answer;
	struct world *w = *state;
	struct packet packet;

	spec.payload_bytes = 3000;
	packet_build(&spec, &packet);
	plane_limit(&w->in, CLASS, LIMIT_PACKETS, 1000, 100, false);
	limit_everybody(w, CLASS, WEB);
	assert_int_equal(plane_run_gso(&w->out, &packet, &gso), PLANE_PASS);
	assert_in_range(stats_of(w, CLASS).admitted.packets, 3, 4);
}

struct mark {
	const char *sentence;
	struct packet_spec spec;
	uint8_t ecn, becomes; /* once the bucket is nearly empty */
	bool counted;
};

#define TO_CLIENT .src = HOST, .dst = CLIENT, .proto = PROTO_TCP, .sport = 80, .dport = 4000
#define TO_CLIENT_V6 \
	.src = "2001:db8::1", .dst = "2001:db8:1::7", .proto = PROTO_TCP, .sport = 80, .dport = 4000

static const struct mark marks[] = {
	{ "ECT(0) becomes CE", { TO_CLIENT, .traffic_class = 0xb8 }, 2, CE, true },
	{ "ECT(1) becomes CE", { TO_CLIENT }, 1, CE, true },
	{ "a packet that is no ECT stays so", { TO_CLIENT, .traffic_class = 0xb8 }, 0, 0, false },
	{ "what was marked before is not counted again", { TO_CLIENT }, CE, CE, false },
	{ "behind two tags", { TO_CLIENT, .tags = 2 }, 2, CE, true },
	{ "with IPv4 options", { TO_CLIENT, .option_bytes = 12 }, 2, CE, true },
	{ "in IPv6", { TO_CLIENT_V6, .traffic_class = 0xb8 }, 2, CE, true },
	{ "in IPv6 behind a tag", { TO_CLIENT_V6, .tags = 1 }, 1, CE, true },
};

static uint8_t ecn_of(const struct packet *p)
{
	const uint8_t *ip = p->bytes + p->l3;

	return (ip[0] >> 4 == 6 ? ip[1] >> 4 : ip[1]) & 3;
}

static void check_untouched(const struct packet *in, const struct packet *out, uint8_t ecn)
{
	struct packet want = *in;
	uint8_t *ip = want.bytes + want.l3;
	__sum16 sum;

	if (ip[0] >> 4 == 6) {
		ip[1] = (uint8_t)((ip[1] & ~0x30) | ecn << 4);
	} else {
		ip[1] = (uint8_t)((ip[1] & ~3) | ecn);
		memset(ip + 10, 0, 2);
		sum = csum_fold(csum_add_bytes(0, ip, (uint32_t)(ip[0] & 15) * 4));
		memcpy(ip + 10, &sum, 2);
	}
	assert_int_equal(out->len, want.len);
	assert_memory_equal(out->bytes, want.bytes, want.len);
}

static void run_mark(struct world *w, const struct mark *m)
{
	uint64_t before = stats_of(w, CLASS).marked.packets;
	struct packet_spec spec = m->spec;
	struct packet in, out;
	uint32_t i;

	spec.traffic_class |= m->ecn;
	spec.payload_bytes = 100;
	packet_build(&spec, &in);
	*w->out.now_ns += PLANE_SECOND;
	/* Three quarters of the bucket: nothing is marked. */
	for (i = 0; i < 75; i++) {
		assert_int_equal(plane_run(&w->out, &in, &out), PLANE_PASS);
		out.l3 = in.l3;
		assert_int_equal(ecn_of(&out), m->ecn);
	}
	for (; i < 100; i++) {
		assert_int_equal(plane_run(&w->out, &in, &out), PLANE_PASS);
		out.l3 = in.l3;
		assert_int_equal(ecn_of(&out), m->becomes);
		check_untouched(&in, &out, m->becomes);
	}
	assert_int_equal(plane_run(&w->out, &in, NULL), PLANE_DROP);
	assert_int_equal(stats_of(w, CLASS).marked.packets - before, m->counted ? 25 : 0);
}

static void test_marks(void **state)
{
	struct world *w = *state;
	size_t i;

	plane_limit(&w->in, CLASS, LIMIT_PACKETS, 1000, 100, false);
	limit_everybody(w, CLASS, WEB);
	for (i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		print_message("  %s\n", marks[i].sentence);
		run_mark(w, &marks[i]);
	}
}

/* A total that is nearly used up marks those who are far from their own limit. */
static void test_total_marks(void **state)
{
	struct packet_spec spec = answer;
	struct world *w = *state;

	spec.traffic_class = ECT0;
	plane_limit(&w->in, CLASS, LIMIT_PACKETS, 100000, 100000, false);
	plane_limit_total(&w->in, CLASS, LIMIT_PACKETS, 1000, 100);
	limit_everybody(w, CLASS, WEB);
	assert_int_equal(send_n(w, &spec, 50), 50);
	assert_int_equal(stats_of(w, CLASS).marked.packets, 0);
	assert_int_equal(send_n(w, &spec, 50), 25);
	assert_int_equal(stats_of(w, CLASS).marked.packets, 25);
	/* The last quarter is the proven's. */
	plane_prove(&w->in, CLIENT, CLASS);
	assert_int_equal(send_n(w, &spec, 50), 25);
	assert_int_equal(stats_of(w, CLASS).marked.packets, 50);
}

struct passed {
	const char *sentence;
	struct packet_spec spec;
	bool limited;
};

static const struct passed passes[] = {
	{ "UDP", { .src = HOST, .dst = CLIENT, .proto = PROTO_UDP, .sport = 53 }, true },
	{ "ICMP", { .src = HOST, .dst = CLIENT, .proto = PROTO_ICMP }, true },
	{ "another transport", { .src = HOST, .dst = CLIENT, .proto = 47 }, true },
	{ "a later fragment",
	  { .src = HOST, .dst = CLIENT, .proto = PROTO_UDP, .frag_offset = 9, .payload_bytes = 16 },
	  true },
	{ "IPv6",
	  { .src = "2001:db8::1", .dst = "2001:db8:1::7", .proto = PROTO_UDP, .sport = 53 },
	  true },
	{ "ARP", { .src = HOST, .dst = CLIENT, .proto = PROTO_UDP, .ether_type = 0x806 }, false },
	{ "neighbour discovery",
	  { .src = "fe80::1",
	    .dst = "ff02::1",
	    .proto = PROTO_ICMPV6,
	    .icmp_type = 135,
	    .hop_limit = 255 },
	  false },
	{ "what the parser cannot follow",
	  { .src = HOST, .dst = CLIENT, .proto = PROTO_TCP, .ihl = 4 },
	  false },
};

/* REST: all that is not TCP's port 80. */
static void test_what_is_limited(void **state)
{
	struct world *w = *state;
	size_t i;

	plane_limit(&w->in, CLASS, LIMIT_PACKETS, 1000, 5, false);
	limit_everybody(w, CLASS, REST);
	for (i = 0; i < sizeof(passes) / sizeof(passes[0]); i++) {
		print_message("  %s\n", passes[i].sentence);
		*w->out.now_ns += PLANE_SECOND;
		assert_int_equal(send_n(w, &passes[i].spec, 20), passes[i].limited ? 5 : 20);
	}
}

/* Drops of the way in are not repeated on the way out: the policy is for strangers. */
static void test_unknown_l4_goes_out(void **state)
{
	const struct plane_settings s = { .unknown_l4_drop = true };
	const struct packet_spec gre = { .src = HOST, .dst = CLIENT, .proto = 47 };
	struct world *w = *state;
	struct plane strict;

	plane_limit(&w->in, CLASS, LIMIT_PACKETS, 1000, 5, false);
	limit_everybody(w, CLASS, REST);
	plane_open_egress(&strict, &w->in, &s);
	assert_int_equal(plane_run_spec(&strict, &gre), PLANE_PASS);
	assert_int_equal(stats_of(w, CLASS).admitted.packets, 1);
	plane_close(&strict);
}

/* At TC, what is balanced goes out through here: it is no client that it goes to. */
static void test_balanced_is_no_answer(void **state)
{
	struct packet_spec to_vip = { .src = CLIENT,
				      .dst = "192.0.2.80",
				      .proto = PROTO_TCP,
				      .sport = 80,
				      .dport = 443,
				      .tcp_flags = TCP_ACK_FLAG };
	struct world *w = *state;

	plane_limit(&w->in, CLASS, LIMIT_PACKETS, 1000, 5, false);
	limit_everybody(w, CLASS, WEB);
	assert_int_equal(send_n(w, &to_vip, 20), 5);
	plane_vip(&w->in, 1, "192.0.2.80", 443, PROTO_TCP, 0);
	assert_int_equal(send_n(w, &to_vip, 20), 20);
}

static int on_event(void *ctx, void *data, size_t bytes)
{
	assert_true(bytes >= sizeof(struct event));
	memcpy(ctx, data, sizeof(struct event));
	return 0;
}

static void test_event(void **state)
{
	struct world *w = *state;
	struct ring_buffer *ring;
	struct event e = { 0 };
	struct addr client = packet_addr(CLIENT);

	plane_limit(&w->in, CLASS, LIMIT_PACKETS, 1000, 1, false);
	limit_everybody(w, CLASS, WEB);
	assert_int_equal(send_n(w, &answer, 2), 1);
	ring = ring_buffer__new(plane_map(&w->in, "events"), on_event, &e, NULL);
	assert_non_null(ring);
	assert_int_equal(ring_buffer__consume(ring), 1);
	ring_buffer__free(ring);
	assert_int_equal(e.type, EVENT_DROP);
	assert_int_equal(e.reason, DROP_EGRESS_LIMIT);
	assert_int_equal(e.limit_class, CLASS);
	/* As it was on the wire. */
	assert_memory_equal(&e.flow.dst, &client, sizeof(client));
	assert_int_equal(e.flow.sport, __builtin_bswap16(80));
	assert_int_equal(e.length_bytes, 1000);
}

#define EGRESS_TEST(fn) cmocka_unit_test_setup_teardown(fn, open_world, close_world)

/* Who is sent more than he may is among those who are dropped most; what he sends is the way in's. */
static void test_top(void **state)
{
	const double window_s = (double)(1ULL << TOP_WINDOW_SHIFT) / 1e9;
	struct world *w = *state;
	struct top_list list;

	plane_limit(&w->in, CLASS, LIMIT_PACKETS, 1000, 5, false);
	limit_everybody(w, CLASS, WEB);
	/* the beginning of a window, so as not to cross into the next */
	*w->out.now_ns = ((*w->in.now_ns >> TOP_WINDOW_SHIFT) + 1) << TOP_WINDOW_SHIFT;
	assert_int_equal(send_n(w, &answer, 25), 5);
	assert_int_equal(top_list_read(plane_map(&w->in, "top"), plane_map(&w->in, "top_sets"),
				       TOP_DROPS, *w->out.now_ns, &list),
			 0);
	assert_int_equal(list.n, 1);
	assert_memory_equal(&list.entry[0].source.addr, (&(struct addr[]) { packet_addr(CLIENT) }),
			    sizeof(struct addr));
	assert_true(list.entry[0].per_s * window_s > 19.5 && list.entry[0].per_s * window_s < 20.5);
	assert_int_equal(list.entry[0].reason, DROP_EGRESS_LIMIT);
	assert_int_equal(list.entry[0].limit_class, CLASS);
	top_list_clear(&list);
	assert_int_equal(top_list_read(plane_map(&w->in, "top"), plane_map(&w->in, "top_sets"),
				       TOP_BYTES, *w->out.now_ns, &list),
			 0);
	assert_int_equal(list.n, 0);
	top_list_clear(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EGRESS_TEST(test_bytes_per_client),
		EGRESS_TEST(test_bound),
		EGRESS_TEST(test_way_in_is_apart),
		EGRESS_TEST(test_prefix),
		EGRESS_TEST(test_lists),
		EGRESS_TEST(test_proven_is_exact),
		EGRESS_TEST(test_total),
		EGRESS_TEST(test_dry_run),
		EGRESS_TEST(test_merged),
		EGRESS_TEST(test_merged_of_unknown_number),
		EGRESS_TEST(test_marks),
		EGRESS_TEST(test_total_marks),
		EGRESS_TEST(test_what_is_limited),
		EGRESS_TEST(test_unknown_l4_goes_out),
		EGRESS_TEST(test_balanced_is_no_answer),
		EGRESS_TEST(test_event),
		EGRESS_TEST(test_top),
	};

	plane_pool_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
