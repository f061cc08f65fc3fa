/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the kernel has no helpers for SYN cookies, a guard answers nothing and limits bound SYNs. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "lib/proto.h"
#include "plane_case.h"
#include "sluice/abi/guard.h"

#define CLASS 1
#define BURST 3
#define VIP   1

static const struct packet_spec syns[] = {
	{ .src = "198.51.100.7",
	  .dst = "127.0.0.1",
	  .proto = PROTO_TCP,
	  .sport = 9,
	  .dport = 80,
	  .tcp_flags = TCP_SYN_FLAG },
	{ .src = "198.51.100.7",
	  .dst = "192.0.2.10",
	  .proto = PROTO_TCP,
	  .sport = 9,
	  .dport = 80,
	  .tcp_flags = TCP_SYN_FLAG },
};

struct place {
	const char *sentence;
	const struct packet_spec *syn;
	uint32_t guard;
};

static const struct place places[] = {
	{ "without SYN cookies, SYNs to this host are limited by source", &syns[0], GUARD_OWN },
	{ "without source checks, SYNs to a vip are limited by source", &syns[1], VIP },
};

static void test_limits_bound_syns(struct plane *p, const void *row)
{
	static const struct guard always = { .mode = GUARD_ALWAYS };
	const struct place *at = row;
	struct packet_spec ack = *at->syn;
	uint32_t admitted = 0, n;

	assert_int_equal(bpf_map_update_elem(plane_map(p, "guards"), &at->guard, &always, BPF_ANY),
			 0);
	plane_vip(p, VIP, syns[1].dst, 80, PROTO_TCP, 0);
	plane_backend(p, 1, PLANE_ELSEWHERE, 1500);
	plane_ring(p, VIP, 1, 1);
	plane_limit_prefix(p, "0.0.0.0", 0, CLASS);
	plane_limit(p, CLASS, LIMIT_CONNECTIONS, 1, BURST, 0);
	for (n = 0; n < 2 * BURST; n++)
		admitted += plane_run_spec(p, at->syn) ==
			    (at->guard == GUARD_OWN ? PLANE_PASS : PLANE_REDIRECT);
	assert_int_equal(admitted, BURST);
	assert_int_equal(plane_drops(p, DROP_LIMIT_CONNECTIONS).packets, BURST);
	assert_int_equal(plane_actions(p, STATS_REPLY).packets, 0);
	ack.tcp_flags = TCP_ACK_FLAG;
	assert_int_not_equal(plane_run_spec(p, &ack), PLANE_DROP);
}

int main(void)
{
	static const struct plane_settings without = { .no_cookies = true };

	plane_case_settings(&without);
	plane_case_table(test_limits_bound_syns, places, sizeof(places[0]),
			 sizeof(places) / sizeof(places[0]));
	return plane_case_run("guard_limit");
}
