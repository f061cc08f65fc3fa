/* SPDX-License-Identifier: BSD-2-Clause */
/* harness: alone */
/* Limits: what a source gets is burst + rate * window, to the packet, on any number of CPUs. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "lib/proto.h"
#include "plane_case.h"

#define MS	  1000000ULL
#define CLASS	  1
#define VIP_CLASS 2
#define SOURCE	  "198.51.100.7"
#define VIP	  "192.0.2.10"

static const struct packet_spec udp = { .src = SOURCE,
					.dst = VIP,
					.proto = PROTO_UDP,
					.sport = 4000,
					.dport = 53,
					.payload_bytes = 58 };
static const struct packet_spec udp_v6 = { .src = "2001:db8:1:2::7",
					   .dst = "2001:db8:2::10",
					   .proto = PROTO_UDP,
					   .sport = 4000,
					   .dport = 53 };
static const struct packet_spec syn = { .src = SOURCE,
					.dst = VIP,
					.proto = PROTO_TCP,
					.sport = 4000,
					.dport = 80,
					.tcp_flags = TCP_SYN_FLAG };
static const struct packet_spec ack = { .src = SOURCE,
					.dst = VIP,
					.proto = PROTO_TCP,
					.sport = 4000,
					.dport = 80,
					.tcp_flags = TCP_ACK_FLAG };

/* What a test is run with: cells of rows, or meters of the source's own. */
struct tier {
	const char *sentence;
	bool proven;
};

static bool proven;

static void begin(const void *row)
{
	proven = ((const struct tier *)row)->proven;
}

static void prove_all(struct plane *p)
{
	uint32_t id;

	for (id = CLASS; proven && id <= VIP_CLASS; id++) {
		plane_prove(p, SOURCE, id);
		plane_prove(p, "2001:db8:1:2::7", id);
	}
}

static void everybody(struct plane *p)
{
	prove_all(p);
	plane_limit_prefix(p, "0.0.0.0", 0, CLASS);
	plane_limit_prefix(p, "::", 0, CLASS);
}

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

static struct stats_limit limit_stats(struct plane *p, uint32_t id)
{
	struct stats_limit s;

	plane_sum(p, "stats_limit", id, &s, sizeof(s));
	return s;
}

static void test_ten_times(struct plane *p, const void *row)
{
	const uint64_t n = 20000; /* over a window of 1,999.9 ms */

	begin(row);
	plane_limit(p, CLASS, LIMIT_PACKETS, 1000, 50, false);
	everybody(p);
	assert_int_equal(send_every(p, &udp, n, MS / 10), 50 + 1999);
	assert_int_equal(plane_drops(p, DROP_LIMIT_PACKETS).packets, n - 2049);
	assert_int_equal(limit_stats(p, CLASS).admitted.packets, 2049);
	assert_int_equal(limit_stats(p, CLASS).dropped[LIMIT_PACKETS].packets, n - 2049);
	/* Another source is not its bystander. */
	assert_int_equal(send_every(p, &udp_v6, 50, 0), 50);
}

static void test_conforming(struct plane *p, const void *row)
{
	int i;

	begin(row);
	plane_limit(p, CLASS, LIMIT_PACKETS, 1000, 5, false);
	everybody(p);
	assert_int_equal(send_every(p, &udp, 3000, MS), 3000);
	*p->now_ns += 5 * MS;
	for (i = 0; i < 100; i++) {
		assert_int_equal(send_every(p, &udp, 5, 0), 5);
		*p->now_ns += 5 * MS;
	}
}

static void test_bytes(struct plane *p, const void *row)
{
	struct stats_limit s;

	begin(row);
	/* 100 bytes on the wire each: 10 at once, then one every millisecond. */
	plane_limit(p, CLASS, LIMIT_BYTES, 100000, 1000, false);
	everybody(p);
	assert_int_equal(send_every(p, &udp, 1000, MS / 10), 10 + 99);
	assert_int_equal(plane_drops(p, DROP_LIMIT_BYTES).packets, 1000 - 109);
	s = limit_stats(p, CLASS);
	assert_int_equal(s.admitted.bytes, 10900);
	assert_int_equal(s.dropped[LIMIT_BYTES].bytes, 100 * (1000 - 109));
}

static void test_connections(struct plane *p, const void *row)
{
	begin(row);
	plane_limit(p, CLASS, LIMIT_CONNECTIONS, 10, 3, false);
	everybody(p);
	assert_int_equal(send_every(p, &syn, 10, 0), 3);
	assert_int_equal(send_every(p, &ack, 10, 0), 10);
	assert_int_equal(send_every(p, &udp, 10, 0), 10);
	assert_int_equal(plane_drops(p, DROP_LIMIT_CONNECTIONS).packets, 7);
}

/* A trickle far below the rate whose refill is fractional: 0.9 ms at 1 kB/s, 1 byte being 1 ms. */
static void test_slow_trickle(struct plane *p, const void *row)
{
	uint64_t admitted;

	begin(row);
	plane_limit(p, CLASS, LIMIT_BYTES, 1000, 100, false);
	everybody(p);
	admitted = send_every(p, &udp, 5000, 9 * MS / 10);
	/* 4,499.1 ms refill 4,499 bytes: 44 packets of 100, and the first from the burst. */
	assert_int_equal(admitted, 1 + 44);
}

static void test_idle(struct plane *p, const void *row)
{
	begin(row);
	/* 10 Gbit/s, idle for 15 s, a day, a month: one burst of 1 MB each. Each packet is rounded up
	 * by a part of 1/256 ns, which is together less than one. */
	plane_limit(p, CLASS, LIMIT_BYTES, 1250000000, 1000000, false);
	everybody(p);
	assert_in_range(send_every(p, &udp, 10100, 0), 9999, 10000);
	*p->now_ns += 15 * PLANE_SECOND;
	assert_in_range(send_every(p, &udp, 10100, 0), 9999, 10000);
	*p->now_ns += 86400 * PLANE_SECOND;
	assert_in_range(send_every(p, &udp, 10100, 0), 9999, 10000);
	*p->now_ns += 31 * 86400 * PLANE_SECOND;
	assert_in_range(send_every(p, &udp, 10100, 0), 9999, 10000);
}

static void test_rate_change(struct plane *p, const void *row)
{
	begin(row);
	plane_limit(p, CLASS, LIMIT_PACKETS, 1000, 100, false);
	everybody(p);
	assert_int_equal(send_every(p, &udp, 200, 0), 100);
	/* Twice the rate and burst: the emptiness stays. 100 ms of debt leave 100 ms of 200. */
	plane_limit(p, CLASS, LIMIT_PACKETS, 1000, 200, false);
	assert_int_equal(send_every(p, &udp, 200, 0), 100);
	/* A lowered burst: the word is clamped to an empty bucket of the new size. */
	plane_limit(p, CLASS, LIMIT_PACKETS, 1000, 10, false);
	assert_int_equal(send_every(p, &udp, 200, 0), 0);
	*p->now_ns += 10 * MS;
	assert_int_equal(send_every(p, &udp, 200, 0), 10);
}

static void test_dry_run(struct plane *p, const void *row)
{
	struct stats_limit s;

	begin(row);
	plane_limit(p, CLASS, LIMIT_PACKETS, 1000, 10, true);
	everybody(p);
	assert_int_equal(send_every(p, &udp, 1000, MS / 10), 1000);
	s = limit_stats(p, CLASS);
	assert_int_equal(s.admitted.packets, 10 + 99);
	assert_int_equal(s.would_drop[LIMIT_PACKETS].packets, 1000 - 109);
	assert_int_equal(s.dropped[LIMIT_PACKETS].packets, 0);
	assert_int_equal(plane_drops(p, DROP_LIMIT_PACKETS).packets, 0);
	/* In earnest, it goes on from the meter that the trial left. */
	plane_limit(p, CLASS, LIMIT_PACKETS, 1000, 10, false);
	assert_int_equal(send_every(p, &udp, 100, 0), 1);
}

/* A packet that one unit refuses is charged to none. */
static void test_all_or_nothing(struct plane *p, const void *row)
{
	begin(row);
	plane_limit(p, CLASS, LIMIT_PACKETS, 1000, 100, false);
	plane_limit(p, CLASS, LIMIT_BYTES, 100000, 500, false);
	everybody(p);
	assert_int_equal(send_every(p, &udp, 50, 0), 5);
	assert_int_equal(plane_drops(p, DROP_LIMIT_BYTES).packets, 45);
	assert_int_equal(plane_meter(p, SOURCE, CLASS, LIMIT_PACKETS) - gcra_now_fp(*p->now_ns),
			 5 * GCRA_FP_PER_S / 1000);
}

static void vip_with_limit(struct plane *p)
{
	plane_backend(p, 1, PLANE_LOOPBACK, 1500);
	plane_ring(p, 1, 1, 1);
	plane_vip(p, 1, VIP, 53, PROTO_UDP, VIP_CLASS);
	prove_all(p);
}

static void test_vip_class(struct plane *p, const void *row)
{
	struct packet_spec elsewhere = udp;
	struct stats_vip s;

	begin(row);
	vip_with_limit(p);
	plane_limit(p, VIP_CLASS, LIMIT_PACKETS, 1000, 7, false);
	assert_int_equal(send_every(p, &udp, 20, 0), 7);
	plane_sum(p, "stats_vip", 1, &s, sizeof(s));
	assert_int_equal(s.forwarded.packets, 7);
	assert_int_equal(s.dropped.packets, 13);
	elsewhere.dport = 54;
	assert_int_equal(send_every(p, &elsewhere, 20, 0), 20);
}

static void test_both_classes(struct plane *p, const void *row)
{
	begin(row);
	vip_with_limit(p);
	everybody(p);
	plane_limit(p, CLASS, LIMIT_PACKETS, 1000, 100, false);
	plane_limit(p, VIP_CLASS, LIMIT_PACKETS, 1000, 7, false);
	assert_int_equal(send_every(p, &udp, 20, 0), 7);
	/* What the vip's class refused was not charged to the source. */
	assert_int_equal(plane_meter(p, SOURCE, CLASS, LIMIT_PACKETS) - gcra_now_fp(*p->now_ns),
			 7 * GCRA_FP_PER_S / 1000);
	assert_int_equal(limit_stats(p, CLASS).admitted.packets, 7);
	assert_int_equal(limit_stats(p, CLASS).dropped[LIMIT_PACKETS].packets, 0);
	assert_int_equal(limit_stats(p, VIP_CLASS).dropped[LIMIT_PACKETS].packets, 13);
}

/* A vip's limit on trial beside the source's in earnest. */
static void test_dry_run_beside(struct plane *p, const void *row)
{
	struct stats_limit s;

	begin(row);
	vip_with_limit(p);
	everybody(p);
	plane_limit(p, CLASS, LIMIT_PACKETS, 1000, 10, false);
	plane_limit(p, VIP_CLASS, LIMIT_PACKETS, 1000, 4, true);
	assert_int_equal(send_every(p, &udp, 20, 0), 10);
	s = limit_stats(p, VIP_CLASS);
	assert_int_equal(s.admitted.packets, 4);
	assert_int_equal(s.would_drop[LIMIT_PACKETS].packets, 6);
	assert_int_equal(limit_stats(p, CLASS).dropped[LIMIT_PACKETS].packets, 10);
}

static void test_no_evasion(struct plane *p, const void *row)
{
	const struct packet_spec shapes[] = {
		{ .src = SOURCE,
		  .dst = VIP,
		  .proto = PROTO_UDP,
		  .frag_offset = 9,
		  .payload_bytes = 8 },
		{ .src = SOURCE, .dst = VIP, .proto = 47, .payload_bytes = 8 },
		{ .src = SOURCE, .dst = VIP, .proto = PROTO_ICMP, .icmp_type = 8 },
		{ .src = SOURCE, .dst = VIP, .proto = PROTO_TCP, .tags = 2 },
		{ .src = SOURCE, .dst = VIP, .proto = PROTO_TCP, .option_bytes = 8 },
	};
	size_t i;

	begin(row);
	plane_limit(p, CLASS, LIMIT_PACKETS, 1000, 1, false);
	everybody(p);
	assert_int_equal(send_every(p, &udp, 1, 0), 1);
	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		assert_int_equal(send_every(p, &shapes[i], 1, 0), 0);
}

static void test_unknown_class(struct plane *p, const void *row)
{
	begin(row);
	plane_limit_prefix(p, "0.0.0.0", 0, 77);
	assert_int_equal(send_every(p, &udp, 10, 0), 10);
}

/* GRO hands TC one packet for many: 10 segments of 100 bytes behind 42 of headers. */
static void test_merged(struct plane *p, const void *row)
{
	const struct plane_gso gso = { .segments = 10, .payload_bytes = 100 };
	struct packet_spec merged = udp;
	struct stats_limit s;
	struct packet packet;

	begin(row);
	if (p->hook == PLANE_XDP)
		return; /* before GRO */
	merged.payload_bytes = 1000;
	packet_build(&merged, &packet);
	plane_limit(p, CLASS, LIMIT_PACKETS, 1000, 25, false);
	everybody(p);
	assert_int_equal(plane_run_gso(p, &packet, &gso), PLANE_PASS);
	assert_int_equal(plane_run_gso(p, &packet, &gso), PLANE_PASS);
	assert_int_equal(plane_run_gso(p, &packet, &gso), PLANE_DROP);
	s = limit_stats(p, CLASS);
	assert_int_equal(s.admitted.packets, 20);
	assert_int_equal(s.admitted.bytes, 2 * 10 * 142);
}

struct hammer {
	struct plane *p;
	const struct packet *packet;
	uint32_t times;
	int cpu;
	int error;
};

static void *hammer(void *at)
{
	struct hammer *h = at;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = h->packet->bytes,
		    .data_size_in = h->packet->len, .repeat = (int)h->times);
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)h->cpu, &set);
	h->error = pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	if (!h->error)
		h->error = bpf_prog_test_run_opts(h->p->prog_fd, &opts);
	return NULL;
}

/* Offer the packet so many times on every CPU at once; how many were admitted. */
static uint64_t hammer_all(struct plane *p, const struct packet *packet, uint32_t times)
{
	struct stats_count before = plane_actions(p, STATS_PASS);
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN), i;
	struct hammer hammers[64];
	pthread_t threads[64];

	if (cpus > 64)
		cpus = 64;
	for (i = 0; i < cpus; i++) {
		hammers[i] = (struct hammer) { p, packet, times, i, 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, &hammers[i]), 0);
	}
	for (i = 0; i < cpus; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(hammers[i].error, 0);
	}
	return plane_actions(p, STATS_PASS).packets - before.packets;
}

/*
 * A source's own bucket is exact. Of rows, a charge of the one that does not decide can be lost to
 * other CPUs (LIMIT_CHARGE_TRIES): a packet of each that is under way, no more.
 */
static void check_hammered(uint64_t admitted, uint64_t bound)
{
	uint64_t slack = proven ? 0 : (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);

	assert_in_range(admitted, bound - slack, bound + slack);
}

static void test_all_cpus(struct plane *p, const void *row)
{
	struct packet packet;
	int i;

	begin(row);
	packet_build(&udp, &packet);
	plane_limit(p, CLASS, LIMIT_PACKETS, 40000, 20000, false);
	everybody(p);
	check_hammered(hammer_all(p, &packet, 50000), 20000);
	for (i = 0; i < 3; i++) {
		*p->now_ns += 100 * MS;
		check_hammered(hammer_all(p, &packet, 50000), 4000);
	}
	assert_int_equal(plane_drops(p, DROP_LIMIT_CONTENDED).packets +
				 plane_drops(p, DROP_LIMIT_PACKETS).packets +
				 plane_actions(p, STATS_PASS).packets,
			 plane_drops(p, DROP_NONE).packets);
}

static void test_all_cpus_conforming(struct plane *p, const void *row)
{
	struct packet packet;
	uint64_t offered = 10000 * (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);

	begin(row);
	packet_build(&udp, &packet);
	plane_limit(p, CLASS, LIMIT_PACKETS, 1000, offered, false);
	everybody(p);
	assert_int_equal(hammer_all(p, &packet, 10000), offered);
}

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * PLANE_SECOND + (uint64_t)t.tv_nsec;
}

/* The bound with the real clock: the window is the time that the whole took. */
static void test_real_clock(struct plane *p, const void *row)
{
	uint64_t start, admitted, window_ns;
	struct packet packet;

	begin(row);
	packet_build(&udp, &packet);
	plane_limit(p, CLASS, LIMIT_PACKETS, 100000, 1000, false);
	everybody(p);
	start = clock_ns();
	admitted = hammer_all(p, &packet, 400000);
	window_ns = clock_ns() - start;
	assert_in_range(admitted, 1000, 1000 + window_ns / 10000 + 1);
}

static void add(const char *sentence, plane_test *fn)
{
	static struct tier tiers[64];
	static char text[64][96];
	static size_t n;
	size_t i;

	for (i = 0; i < 2; i++, n++) {
		assert_true(n < 64);
		snprintf(text[n], sizeof(text[n]), "%s: %s", i ? "proven" : "rows", sentence);
		tiers[n] = (struct tier) { text[n], i };
	}
	plane_case_table(fn, &tiers[n - 2], sizeof(tiers[0]), 2);
}

int main(void)
{
	static const struct plane_settings real = { .real_clock = true };

	add("a source at 10x gets burst + rate * window", test_ten_times);
	add("a conforming source loses nothing", test_conforming);
	add("bytes are those on the wire", test_bytes);
	add("connections are SYNs without ACK", test_connections);
	add("a slow trickle gets its rate", test_slow_trickle);
	add("idle time adds up to one burst", test_idle);
	add("a change of rate resets no bucket", test_rate_change);
	add("dry_run counts what it would drop", test_dry_run);
	add("a refusal by one unit charges none", test_all_or_nothing);
	add("a vip's class limits per source and vip", test_vip_class);
	add("a refusal by the vip's class is not charged to the source", test_both_classes);
	add("a class on trial does not disturb another", test_dry_run_beside);
	add("no shape of packet evades a limit", test_no_evasion);
	add("a class that is not configured limits nothing", test_unknown_class);
	add("merged packets count as many", test_merged);
	add("the bound holds over all CPUs", test_all_cpus);
	add("a conforming source on all CPUs loses nothing", test_all_cpus_conforming);
	plane_case_settings(&real);
	add("the bound holds with the real clock", test_real_clock);
	return plane_case_run("limit");
}
