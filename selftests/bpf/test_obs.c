/* SPDX-License-Identifier: BSD-2-Clause */
/* Counters that agree with each other, and samples that never become a flood. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "lib/proto.h"
#include "plane_case.h"

#define SOURCE "198.51.100.7"
#define VIP    "192.0.2.10"

static const struct packet_spec tcp = { .src = SOURCE,
					.dst = VIP,
					.proto = PROTO_TCP,
					.sport = 4000,
					.dport = 80,
					.tcp_flags = TCP_SYN_FLAG };
static const struct packet_spec to_host = { .src = SOURCE,
					    .dst = "192.0.2.11",
					    .proto = PROTO_TCP,
					    .sport = 4000,
					    .dport = 80 };

struct seen {
	struct event event[64];
	size_t n;
};

static int on_event(void *ctx, void *data, size_t bytes)
{
	struct seen *seen = ctx;

	assert_true(bytes >= sizeof(struct event));
	assert_true(seen->n < 64);
	memcpy(&seen->event[seen->n++], data, sizeof(struct event));
	return 0;
}

static void read_events(struct plane *p, struct seen *seen)
{
	struct ring_buffer *ring = ring_buffer__new(plane_map(p, "events"), on_event, seen, NULL);

	assert_non_null(ring);
	seen->n = 0;
	assert_true(ring_buffer__consume(ring) >= 0);
	ring_buffer__free(ring);
}

static uint64_t suppressed(struct plane *p)
{
	struct event_meter meter;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < EVENT_METERS; i++) {
		assert_int_equal(bpf_map_lookup_elem(plane_map(p, "event_meter"), &i, &meter), 0);
		sum += meter.suppressed;
	}
	return sum;
}

static void with_vip(struct plane *p)
{
	plane_backend(p, 1, PLANE_LOOPBACK, 1500);
	plane_ring(p, 1, 1, 1);
	plane_vip(p, 1, VIP, 80, PROTO_TCP, 0);
}

static void test_counters_agree(struct plane *p, const void *row)
{
	uint64_t reasons = 0;
	struct stats_count all, backend;
	struct stats_vip vip;
	uint32_t i;

	(void)row;
	with_vip(p);
	plane_limit(p, 1, LIMIT_PACKETS, 1000, 30, false);
	plane_limit_prefix(p, SOURCE, 32, 1);
	for (i = 0; i < 40; i++)
		plane_run_spec(p, &tcp);
	for (i = 0; i < 5; i++)
		plane_run_spec(p, &(struct packet_spec) { .src = "203.0.113.1", .dst = VIP });
	for (i = 0; i < 3; i++)
		plane_run_spec(p, &(struct packet_spec) { .src = SOURCE, .dst = VIP, .ihl = 4 });

	all = plane_drops(p, DROP_NONE);
	assert_int_equal(all.packets, 48);
	assert_int_equal(plane_actions(p, STATS_PASS).packets, 5);
	assert_int_equal(plane_actions(p, STATS_FORWARD).packets, 30);
	assert_int_equal(plane_actions(p, STATS_DROP).packets, 13);
	assert_int_equal(plane_actions(p, STATS_PASS).bytes +
				 plane_actions(p, STATS_FORWARD).bytes +
				 plane_actions(p, STATS_DROP).bytes,
			 all.bytes);
	for (i = DROP_NONE + 1; i < DROP_REASON_COUNT; i++)
		reasons += plane_drops(p, i).packets;
	assert_int_equal(reasons, 13);
	assert_int_equal(plane_drops(p, DROP_LIMIT_PACKETS).packets, 10);
	assert_int_equal(plane_drops(p, DROP_MALFORMED).packets, 3);

	plane_sum(p, "stats_vip", 1, &vip, sizeof(vip));
	assert_int_equal(vip.forwarded.packets, 30);
	assert_int_equal(vip.forwarded.bytes, 30 * 54);
	assert_int_equal(vip.dropped.packets, 10);
	assert_int_equal(vip.connections, 30);
	plane_sum(p, "stats_backend", 1, &backend, sizeof(backend));
	assert_int_equal(backend.packets, 30);
	assert_int_equal(backend.bytes, 30 * 54);
}

static void test_event(struct plane *p, const void *row)
{
	struct seen seen;
	struct packet packet;

	(void)row;
	with_vip(p);
	plane_limit(p, 7, LIMIT_PACKETS, 1000, 1, false);
	plane_limit_prefix(p, SOURCE, 32, 7);
	plane_run_spec(p, &tcp);
	read_events(p, &seen);
	assert_int_equal(seen.n, 0);
	plane_run_spec(p, &tcp);
	read_events(p, &seen);
	assert_int_equal(seen.n, 1);
	packet_build(&tcp, &packet);
	assert_int_equal(seen.event[0].type, EVENT_DROP);
	assert_int_equal(seen.event[0].reason, DROP_LIMIT_PACKETS);
	assert_int_equal(seen.event[0].time_ns, *p->now_ns);
	assert_int_equal(seen.event[0].length_bytes, packet.len);
	assert_int_equal(seen.event[0].vip_id, 1);
	assert_int_equal(seen.event[0].limit_class, 7);
	assert_int_equal(seen.event[0].ifindex, PLANE_LOOPBACK);
	assert_memory_equal(&seen.event[0].flow.src, &(struct addr[]) { packet_addr(SOURCE) }, 16);
	assert_int_equal(seen.event[0].flow.dport, __builtin_bswap16(80));
	assert_int_equal(seen.event[0].flow.proto, PROTO_TCP);
	/* On trial, it says what would have been. */
	plane_limit(p, 7, LIMIT_PACKETS, 1000, 1, true);
	*p->now_ns += PLANE_SECOND / 10;
	plane_run_spec(p, &tcp);
	plane_run_spec(p, &tcp);
	read_events(p, &seen);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.event[0].type, EVENT_WOULD_DROP);
	assert_int_equal(seen.event[0].reason, DROP_LIMIT_PACKETS);
	assert_int_equal(seen.event[0].limit_class, 7);
}

/* The event of an ICMP error is about the error, not about what it quotes. */
static void test_event_of_error(struct plane *p, const void *row)
{
	static const struct packet_spec quoted = {
		.src = VIP, .dst = SOURCE, .proto = PROTO_TCP, .sport = 80, .dport = 4000
	};
	static const struct packet_spec error = { .src = "203.0.113.1",
						  .dst = VIP,
						  .proto = PROTO_ICMP,
						  .icmp_type = 3,
						  .quoted = &quoted };
	struct addr router = packet_addr("203.0.113.1");
	struct seen seen;

	(void)row;
	plane_acl(p, SOURCE_LIST_DENY, "203.0.113.0", 24);
	assert_int_equal(plane_run_spec(p, &error), PLANE_DROP);
	read_events(p, &seen);
	assert_int_equal(seen.n, 1);
	assert_memory_equal(&seen.event[0].flow.src, &router, sizeof(router));
	assert_int_equal(seen.event[0].flow.proto, PROTO_ICMP);
	assert_int_equal(seen.event[0].flow.dport, 0);
}

/* 100 a second, 10 of them at once: 10,000 drops in a second are 10 + 99 events. */
static void test_events_are_metered(struct plane *p, const void *row)
{
	struct seen seen;
	size_t n = 0, i;

	(void)row;
	plane_acl(p, SOURCE_LIST_DENY, SOURCE, 32);
	for (i = 0; i < 10000; i++) {
		plane_run_spec(p, &to_host);
		*p->now_ns += PLANE_SECOND / 10000;
		if (i % 1000 == 999) {
			read_events(p, &seen);
			n += seen.n;
		}
	}
	assert_int_equal(n, 10 + 99);
	assert_int_equal(plane_drops(p, DROP_ACL_DENY).packets, 10000);
	/* Up to 64 a CPU wait to be added to the shared count. */
	assert_in_range(suppressed(p), 10000 - 109 - 64 * 64, 10000 - 109);
	assert_true(suppressed(p) > 5000);
}

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * PLANE_SECOND + (uint64_t)t.tv_nsec;
}

/* What is refused once is not asked again in the same tick: it is counted all the same. */
static void test_real_clock(struct plane *p, const void *row)
{
	static const struct packet_spec spec = { .src = SOURCE, .dst = VIP, .ihl = 4 };
	const uint64_t begun_ns = clock_ns();
	struct packet packet;
	uint64_t pending;
	struct seen seen;

	(void)row;
	packet_build(&spec, &packet);
	assert_int_equal(plane_run_many(p, &packet, 2000), 0);
	read_events(p, &seen);
	/* 10 at once, 100 a second. */
	assert_in_range(seen.n, 10, 11 + (clock_ns() - begun_ns) / (PLANE_SECOND / 100));
	plane_sum(p, "event_pending", DROP_MALFORMED, &pending, sizeof(pending));
	assert_int_equal(seen.n + suppressed(p) + (uint32_t)pending, 2000);
}

/* While one reason is far over its rate, the first drop of another one still makes an event. */
static void test_noise_starves_nobody(struct plane *p, const void *row)
{
	static const struct packet_spec broken = { .src = SOURCE, .dst = VIP, .ihl = 4 };
	struct packet_spec limited = to_host;
	struct seen seen;
	size_t i, trial = 0;

	(void)row;
	plane_acl(p, SOURCE_LIST_DENY, SOURCE, 32);
	plane_limit(p, 7, LIMIT_PACKETS, 1, 1, true);
	plane_limit_prefix(p, "203.0.113.0", 24, 7);
	limited.src = "203.0.113.1";
	for (i = 0; i < 1000; i++)
		plane_run_spec(p, &to_host);
	read_events(p, &seen);
	assert_int_equal(seen.n, 10);
	plane_run_spec(p, &broken);
	for (i = 0; i < 1000; i++)
		plane_run_spec(p, &limited);
	read_events(p, &seen);
	assert_int_equal(seen.event[0].reason, DROP_MALFORMED);
	for (i = 0; i < seen.n; i++)
		trial += seen.event[i].type == EVENT_WOULD_DROP;
	assert_int_equal(trial, 10);
	assert_int_equal(seen.n, 11);
	/* What a trial would drop takes no room from what the same limit does drop. */
	plane_limit(p, 7, LIMIT_PACKETS, 1, 1, false);
	plane_run_spec(p, &limited);
	read_events(p, &seen);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.event[0].type, EVENT_DROP);
	assert_int_equal(seen.event[0].reason, DROP_LIMIT_PACKETS);
}

static void test_no_events(struct plane *p, const void *row)
{
	struct seen seen;
	int i;

	(void)row;
	plane_acl(p, SOURCE_LIST_DENY, SOURCE, 32);
	for (i = 0; i < 10; i++)
		plane_run_spec(p, &to_host);
	read_events(p, &seen);
	assert_int_equal(seen.n, 0);
}

int main(void)
{
	static const struct plane_settings hundred = { .events_per_s = 100 };
	static const struct plane_settings none = { .events_per_s = 0 };
	static const struct plane_settings real = { .events_per_s = 100, .real_clock = true };

	plane_case_settings(&hundred);
	plane_case_add("counters agree with each other", test_counters_agree);
	plane_case_add("a drop and a would-be drop make an event", test_event);
	plane_case_add("the event of an ICMP error names the router", test_event_of_error);
	plane_case_add("events keep to their rate, the rest is counted", test_events_are_metered);
	plane_case_add("a noisy reason leaves room for the others", test_noise_starves_nobody);
	plane_case_settings(&real);
	plane_case_add("and by the kernel's clocks", test_real_clock);
	plane_case_settings(&none);
	plane_case_add("no events when they are switched off", test_no_events);
	return plane_case_run("obs");
}
