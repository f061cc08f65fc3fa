/* SPDX-License-Identifier: BSD-2-Clause */
/* Merged packets, which TC sees behind GRO and from guests: what they count, and whether they fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/proto.h"
#include "plane_case.h"

#define UDP .src = "10.0.0.7", .dst = "192.0.2.10", .proto = PROTO_UDP, .sport = 40000, .dport = 53

static const struct packet_spec quoted = { .src = "192.0.2.10",
					   .dst = "203.0.113.5",
					   .proto = PROTO_TCP };

/* What a guest merged, nobody has counted yet: 1,000 bytes in segments of 100. */
static void test_merged_uncounted(struct plane *p, const void *at)
{
	const struct plane_gso gso = { .segments = 0, .payload_bytes = 100 };
	struct packet_spec spec = { UDP };
	struct packet packet;

	(void)at;
	if (p->hook == PLANE_XDP)
		return; /* before GRO */
	spec.payload_bytes = 1000;
	packet_build(&spec, &packet);
	plane_limit(p, 1, LIMIT_PACKETS, 1, 25, false);
	plane_limit_prefix(p, "0.0.0.0", 0, 1);
	assert_int_equal(plane_run_gso(p, &packet, &gso), PLANE_PASS);
	assert_int_equal(plane_run_gso(p, &packet, &gso), PLANE_PASS);
	assert_int_equal(plane_run_gso(p, &packet, &gso), PLANE_DROP);
	assert_int_equal(plane_drops(p, DROP_LIMIT_PACKETS).bytes, 10 * 142);
}

/* One of them has to fit the backend's device, also when nobody says how many there are. */
static void test_merged_too_big(struct plane *p, const void *at)
{
	struct plane_gso gso = { .segments = 0, .payload_bytes = 1472 };
	struct packet_spec spec = { UDP };
	struct packet packet;

	(void)at;
	if (p->hook == PLANE_XDP)
		return;
	spec.payload_bytes = 2944;
	packet_build(&spec, &packet);
	plane_backend(p, 1, PLANE_LOOPBACK, 1500);
	plane_ring(p, 1, 1, 1);
	plane_vip(p, 1, "192.0.2.10", 53, PROTO_UDP, 0);
	assert_int_equal(plane_run_gso(p, &packet, &gso), PLANE_REDIRECT);
	gso.payload_bytes++;
	assert_int_equal(plane_run_gso(p, &packet, &gso), PLANE_DROP);
	assert_int_equal(plane_drops(p, DROP_TOO_BIG).packets, 2);
}

/* What an ICMP error quotes is its payload, not a header that each of its packets had. */
static void test_merged_error(struct plane *p, const void *at)
{
	const struct plane_gso gso = { .segments = 3, .payload_bytes = 10 };
	struct packet_spec spec = { .src = "10.0.0.7",
				    .dst = "192.0.2.10",
				    .proto = PROTO_ICMP,
				    .icmp_type = 3,
				    .quoted = &quoted };
	struct packet packet;

	(void)at;
	if (p->hook == PLANE_XDP)
		return;
	packet_build(&spec, &packet);
	assert_int_equal(plane_run_gso(p, &packet, &gso), PLANE_PASS);
	assert_int_equal(plane_drops(p, DROP_NONE).bytes, packet.len + 2 * (14 + 20 + 8));
}

int main(void)
{
	plane_case_add("merged packets that nobody counted are counted", test_merged_uncounted);
	plane_case_add("merged packets that nobody counted have to fit", test_merged_too_big);
	plane_case_add("what an error quotes is no header", test_merged_error);
	return plane_case_run("merged");
}
