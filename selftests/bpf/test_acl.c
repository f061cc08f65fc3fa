/* SPDX-License-Identifier: BSD-2-Clause */
/* Allow and deny prefixes. */
#include <setjmp.h>
#include <stdarg.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "lib/proto.h"
#include "plane_case.h"

static const struct packet_spec from_v4 = { .src = "198.51.100.7",
					    .dst = "192.0.2.10",
					    .proto = PROTO_UDP,
					    .sport = 4000,
					    .dport = 53 };
static const struct packet_spec from_v6 = { .src = "2001:db8:1:2::7",
					    .dst = "2001:db8:2::10",
					    .proto = PROTO_UDP,
					    .sport = 4000,
					    .dport = 53 };

static void expect(struct plane *p, const struct packet_spec *spec, enum plane_action want)
{
	assert_int_equal(plane_run_spec(p, spec), want);
}

static void test_deny(struct plane *p, const void *row)
{
	(void)row;
	plane_acl(p, SOURCE_LIST_DENY, "198.51.100.0", 24);
	plane_acl(p, SOURCE_LIST_DENY, "2001:db8:1::", 48);
	expect(p, &from_v4, PLANE_DROP);
	expect(p, &from_v6, PLANE_DROP);
	assert_int_equal(plane_drops(p, DROP_ACL_DENY).packets, 2);
	expect(p, &(struct packet_spec) { .src = "198.51.101.7", .dst = "192.0.2.10" }, PLANE_PASS);
}

static void test_allow_wins(struct plane *p, const void *row)
{
	(void)row;
	plane_acl(p, SOURCE_LIST_DENY, "198.51.100.7", 32);
	plane_acl(p, SOURCE_LIST_ALLOW, "198.51.0.0", 16);
	expect(p, &from_v4, PLANE_PASS);
}

static void test_change_is_seen(struct plane *p, const void *row)
{
	(void)row;
	expect(p, &from_v4, PLANE_PASS);
	plane_acl(p, SOURCE_LIST_DENY, "0.0.0.0", 0);
	expect(p, &from_v4, PLANE_DROP);
	expect(p, &from_v6, PLANE_PASS);
	plane_acl_remove(p, SOURCE_LIST_DENY, "0.0.0.0", 0);
	expect(p, &from_v4, PLANE_PASS);
}

/* A /24 that has more than one answer. */
static void test_split(struct plane *p, const void *row)
{
	struct packet_spec spec = from_v4;

	(void)row;
	plane_acl(p, SOURCE_LIST_DENY, "198.51.100.0", 24);
	plane_acl(p, SOURCE_LIST_ALLOW, "198.51.100.64", 26);
	spec.src = "198.51.100.63";
	expect(p, &spec, PLANE_DROP);
	spec.src = "198.51.100.64";
	expect(p, &spec, PLANE_PASS);
	spec.src = "198.51.100.127";
	expect(p, &spec, PLANE_PASS);
	spec.src = "198.51.100.128";
	expect(p, &spec, PLANE_DROP);
}

static void test_unit_of_ipv6(struct plane *p, const void *row)
{
	struct packet_spec neighbour = from_v6;

	(void)row;
	neighbour.src = "2001:db8:1:2:ffff::1";
	expect(p, &from_v6, PLANE_PASS);
	expect(p, &neighbour, PLANE_PASS);
	plane_acl(p, SOURCE_LIST_DENY, "2001:db8:1:2::", 64);
	expect(p, &from_v6, PLANE_DROP);
	expect(p, &neighbour, PLANE_DROP);
	neighbour.src = "2001:db8:1:3::1";
	expect(p, &neighbour, PLANE_PASS);
}

/* Every length of IPv6, the longest and the shortest among them. */
static void test_lengths_of_ipv6(struct plane *p, const void *row)
{
	uint32_t len;

	(void)row;
	for (len = 0; len <= 64; len++) {
		plane_acl(p, SOURCE_LIST_DENY, "2001:db8:1:2::", len);
		expect(p, &from_v6, PLANE_DROP);
		plane_acl_remove(p, SOURCE_LIST_DENY, "2001:db8:1:2::", len);
		expect(p, &from_v6, PLANE_PASS);
	}
	plane_acl(p, SOURCE_LIST_DENY, "2001:db8:1:3::", 64);
	expect(p, &from_v6, PLANE_PASS);
}

static void test_allow_exempts(struct plane *p, const void *row)
{
	int i;

	(void)row;
	plane_acl(p, SOURCE_LIST_ALLOW, "198.51.100.7", 32);
	plane_verdict(p, "198.51.100.7", 32, VERDICT_DROP, *p->now_ns + PLANE_SECOND);
	plane_limit(p, 1, LIMIT_PACKETS, 1, 1, false);
	plane_limit_prefix(p, "0.0.0.0", 0, 1);
	for (i = 0; i < 10; i++)
		expect(p, &from_v4, PLANE_PASS);
}

int main(void)
{
	plane_case_add("a source in a deny prefix is dropped, its neighbour is not", test_deny);
	plane_case_add("a short allow prefix wins over a long deny prefix", test_allow_wins);
	plane_case_add("a change is in force with the next packet", test_change_is_seen);
	plane_case_add("a /24 has as many answers as it needs", test_split);
	plane_case_add("an IPv6 prefix of any length up to /64 is found", test_lengths_of_ipv6);
	plane_case_add("an IPv6 source counts by its /64", test_unit_of_ipv6);
	plane_case_add("an allow prefix exempts from verdicts and limits", test_allow_exempts);
	return plane_case_run("acl");
}
