/* SPDX-License-Identifier: BSD-2-Clause */
/* Dropped packets for a capture: only while one runs, only what it asks for, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "lib/proto.h"
#include "plane_case.h"
#include "sluice/abi/capture.h"
#include "sluice/algo/gcra_rate.h"

#define SOURCE "198.51.100.7"
#define DST    "192.0.2.10"
#define ALL    (~0ULL)

static const struct packet_spec udp = { .src = SOURCE,
					.dst = DST,
					.proto = PROTO_UDP,
					.sport = 4000,
					.dport = 4001 };
static const struct packet_spec broken = { .src = SOURCE, .dst = DST, .ihl = 4 };

struct seen {
	struct capture_packet packet[256];
	size_t n;
};

static int on_packet(void *ctx, void *data, size_t bytes)
{
	struct seen *seen = ctx;

	assert_true(bytes >= sizeof(struct capture_packet) && seen->n < 256);
	memcpy(&seen->packet[seen->n++], data, sizeof(struct capture_packet));
	return 0;
}

static void read_packets(struct plane *p, struct seen *seen)
{
	struct ring_buffer *ring =
		ring_buffer__new(plane_map(p, "capture_ring"), on_packet, seen, NULL);

	assert_non_null(ring);
	seen->n = 0;
	assert_true(ring_buffer__consume(ring) >= 0);
	ring_buffer__free(ring);
}

static void run_capture(struct plane *p, uint64_t reasons, uint64_t per_s, uint64_t for_ns)
{
	struct capture c = { .until_ns = *p->now_ns + for_ns, .reasons = reasons };
	uint32_t zero = 0;

	assert_int_equal(gcra_rate_set(&c.rate, per_s, PLANE_SECOND, per_s / 10), 0);
	assert_int_equal(bpf_map_update_elem(plane_map(p, "capture"), &zero, &c, BPF_ANY), 0);
	plane_changed(p);
}

static uint64_t missed(struct plane *p)
{
	struct capture c;
	uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(plane_map(p, "capture"), &zero, &c), 0);
	return c.missed;
}

static void test_off(struct plane *p, const void *row)
{
	static struct seen seen;

	(void)row;
	plane_acl(p, SOURCE_LIST_DENY, SOURCE, 32);
	plane_run_spec(p, &udp);
	read_packets(p, &seen);
	assert_int_equal(seen.n, 0);
	run_capture(p, ALL, 1000, PLANE_SECOND);
	plane_run_spec(p, &udp);
	read_packets(p, &seen);
	assert_int_equal(seen.n, 1);
	/* It ends by itself, whether or not there is an agent. */
	*p->now_ns += PLANE_SECOND;
	plane_run_spec(p, &udp);
	read_packets(p, &seen);
	assert_int_equal(seen.n, 0);
}

/* Every length around the ends of a copy: what was there, no more, and how much the frame had. */
static void test_bytes(struct plane *p, const void *row)
{
	static struct seen seen;
	struct packet packet;
	uint32_t payload;

	(void)row;
	plane_acl(p, SOURCE_LIST_DENY, SOURCE, 32);
	run_capture(p, ALL, 100000, PLANE_SECOND);
	for (payload = 0; payload < 110; payload++) {
		struct packet_spec spec = udp;
		uint32_t want, i;

		spec.payload_bytes = payload;
		packet_build(&spec, &packet);
		for (i = packet.l4 + 8; i < packet.len; i++)
			packet.bytes[i] = (uint8_t)i;
		assert_int_equal(plane_run(p, &packet, NULL), PLANE_DROP);
		read_packets(p, &seen);
		want = packet.len < CAPTURE_BYTES ? packet.len : CAPTURE_BYTES;
		assert_int_equal(seen.n, 1);
		assert_int_equal(seen.packet[0].frame_bytes, packet.len);
		assert_int_equal(seen.packet[0].bytes, want);
		assert_memory_equal(seen.packet[0].data, packet.bytes, want);
		assert_int_equal(seen.packet[0].reason, DROP_ACL_DENY);
		assert_int_equal(seen.packet[0].time_ns, *p->now_ns);
		assert_int_equal(seen.packet[0].ifindex, PLANE_LOOPBACK);
		assert_int_equal(seen.packet[0].tag_proto, 0);
	}
}

static void test_reasons(struct plane *p, const void *row)
{
	struct packet_spec limited = udp;
	static struct seen seen;

	(void)row;
	plane_acl(p, SOURCE_LIST_DENY, SOURCE, 32);
	plane_limit(p, 7, LIMIT_PACKETS, 1, 1, false);
	plane_limit_prefix(p, "203.0.113.0", 24, 7);
	limited.src = "203.0.113.1";
	run_capture(p, 1ULL << DROP_LIMIT_PACKETS, 1000, PLANE_SECOND);
	plane_run_spec(p, &udp);
	plane_run_spec(p, &broken);
	plane_run_spec(p, &limited); /* admitted */
	plane_run_spec(p, &limited);
	read_packets(p, &seen);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.packet[0].reason, DROP_LIMIT_PACKETS);
	assert_int_equal(seen.packet[0].limit_class, 7);
	assert_int_equal(missed(p), 0);
}

/* 100 a second, 10 at once, of each reason by itself. */
static void test_rate(struct plane *p, const void *row)
{
	static struct seen seen;
	int i;

	(void)row;
	plane_acl(p, SOURCE_LIST_DENY, SOURCE, 32);
	run_capture(p, ALL, 100, PLANE_SECOND);
	for (i = 0; i < 50; i++)
		plane_run_spec(p, &udp);
	plane_run_spec(p, &broken);
	read_packets(p, &seen);
	assert_int_equal(seen.n, 11);
	assert_int_equal(seen.packet[10].reason, DROP_MALFORMED);
	assert_int_equal(missed(p), 40);
}

int main(void)
{
	static const struct plane_settings no_events = { .events_per_s = 0 };

	plane_case_settings(&no_events);
	plane_case_add("nothing is captured but while a capture runs", test_off);
	plane_case_add("the first 128 bytes, of frames of every length", test_bytes);
	plane_case_add("only the reasons that are asked for", test_reasons);
	plane_case_add("each reason keeps to the rate, the rest is counted", test_rate);
	return plane_case_run("capture");
}
