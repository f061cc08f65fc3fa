/* SPDX-License-Identifier: BSD-2-Clause */
/* Verdicts on sources and flows: who they hit, which one wins, and when they end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "lib/proto.h"
#include "plane_case.h"

#define SOURCE "198.51.100.7"
#define BASE   .src = SOURCE, .dst = "192.0.2.10", .sport = 4000, .dport = 80

static const struct packet_spec syn = { BASE, .proto = PROTO_TCP, .tcp_flags = TCP_SYN_FLAG };
static const struct packet_spec syn_ack = { BASE, .proto = PROTO_TCP,
					    .tcp_flags = TCP_SYN_FLAG | TCP_ACK_FLAG };
static const struct packet_spec ack = { BASE, .proto = PROTO_TCP, .tcp_flags = TCP_ACK_FLAG };
static const struct packet_spec udp = { BASE, .proto = PROTO_UDP };

static void expect(struct plane *p, const struct packet_spec *spec, enum plane_action want)
{
	assert_int_equal(plane_run_spec(p, spec), want);
}

static void test_drop(struct plane *p, const void *row)
{
	(void)row;
	plane_verdict(p, SOURCE, 32, VERDICT_DROP, *p->now_ns + 10);
	expect(p, &ack, PLANE_DROP);
	expect(p, &udp, PLANE_DROP);
	assert_int_equal(plane_drops(p, DROP_VERDICT_SOURCE).packets, 2);
}

static void test_drop_new(struct plane *p, const void *row)
{
	(void)row;
	plane_verdict(p, SOURCE, 32, VERDICT_DROP_NEW, *p->now_ns + 10);
	expect(p, &syn, PLANE_DROP);
	expect(p, &udp, PLANE_DROP);
	expect(p, &(struct packet_spec) { BASE, .proto = PROTO_ICMP, .icmp_type = 8 }, PLANE_DROP);
	expect(p, &ack, PLANE_PASS);
	expect(p, &syn_ack, PLANE_PASS);
	expect(p, &(struct packet_spec) { BASE, .proto = PROTO_TCP, .frag_offset = 40 },
	       PLANE_PASS);
}

static void test_expiry(struct plane *p, const void *row)
{
	__u64 start = *p->now_ns;

	(void)row;
	plane_verdict(p, SOURCE, 32, VERDICT_DROP, start + 10);
	*p->now_ns = start + 9;
	expect(p, &ack, PLANE_DROP);
	*p->now_ns = start + 10;
	expect(p, &ack, PLANE_PASS);
}

static void test_removal(struct plane *p, const void *row)
{
	(void)row;
	plane_verdict(p, SOURCE, 32, VERDICT_DROP, ~0ULL);
	expect(p, &ack, PLANE_DROP);
	plane_verdict_remove(p, SOURCE, 32);
	expect(p, &ack, PLANE_PASS);
}

static void test_wide(struct plane *p, const void *row)
{
	struct packet_spec v6 = ack;

	(void)row;
	plane_verdict(p, "198.51.100.0", 24, VERDICT_DROP, *p->now_ns + 10);
	expect(p, &ack, PLANE_DROP);
	v6.src = "2001:db8:1:2::7";
	v6.dst = "2001:db8:2::10";
	expect(p, &v6, PLANE_PASS);
	plane_verdict(p, "2001:db8:1::", 48, VERDICT_DROP, *p->now_ns + 10);
	expect(p, &v6, PLANE_DROP);
	v6.src = "2001:db8:1:3::7";
	expect(p, &v6, PLANE_DROP);
	v6.src = "2001:db8:2:3::7";
	expect(p, &v6, PLANE_PASS);
	plane_verdict(p, "2001:db8:2:3::", 64, VERDICT_DROP, *p->now_ns + 10);
	expect(p, &v6, PLANE_DROP);
}

static void test_strongest(struct plane *p, const void *row)
{
	__u64 start = *p->now_ns;

	(void)row;
	plane_verdict(p, SOURCE, 32, VERDICT_DROP_NEW, start + 100);
	plane_verdict(p, "198.51.100.0", 24, VERDICT_DROP, start + 10);
	expect(p, &ack, PLANE_DROP);
	*p->now_ns = start + 10;
	expect(p, &ack, PLANE_PASS);
	expect(p, &syn, PLANE_DROP);
	*p->now_ns = start + 100;
	expect(p, &syn, PLANE_PASS);
}

static struct flow_key flow_of(const struct packet_spec *spec)
{
	struct flow_key key = { .src = packet_addr(spec->src),
				.dst = packet_addr(spec->dst),
				.sport = __builtin_bswap16(spec->sport),
				.dport = __builtin_bswap16(spec->dport),
				.proto = spec->proto };

	return key;
}

static void test_flow(struct plane *p, const void *row)
{
	struct flow_key key = flow_of(&ack);
	struct packet_spec other = ack;

	(void)row;
	expect(p, &ack, PLANE_PASS);
	plane_verdict_flow(p, &key, VERDICT_DROP, *p->now_ns + 10);
	expect(p, &ack, PLANE_DROP);
	assert_int_equal(plane_drops(p, DROP_VERDICT_FLOW).packets, 1);
	other.sport++;
	expect(p, &other, PLANE_PASS);
	expect(p, &udp, PLANE_PASS);
	*p->now_ns += 10;
	expect(p, &ack, PLANE_PASS);
}

/* What the filter lets through for others of its bucket is looked up, and not found. */
static void test_bystander(struct plane *p, const void *row)
{
	struct packet_spec bystander = ack;
	char source[32];
	int i;

	(void)row;
	plane_verdict(p, SOURCE, 32, VERDICT_DROP, *p->now_ns + 10);
	bystander.src = source;
	for (i = 1; i < 255; i++) {
		snprintf(source, sizeof(source), "198.51.100.%d", i);
		expect(p, &bystander, i == 7 ? PLANE_DROP : PLANE_PASS);
	}
}

static void test_counts(struct plane *p, const void *row)
{
	(void)row;
	plane_verdict(p, SOURCE, 32, VERDICT_DROP_NEW, *p->now_ns + 10);
	expect(p, &syn, PLANE_DROP);
	expect(p, &ack, PLANE_PASS);
	expect(p, &udp, PLANE_DROP);
	assert_int_equal(plane_verdict_drops(p, SOURCE, 32), 2);
}

int main(void)
{
	plane_case_add("a verdict drops every packet of its source", test_drop);
	plane_case_add("drop_new drops SYNs and all that is not TCP", test_drop_new);
	plane_case_add("a verdict ends on the nanosecond", test_expiry);
	plane_case_add("a verdict ends when it is removed", test_removal);
	plane_case_add("a verdict on a /24 or a /48 reaches all of it", test_wide);
	plane_case_add("the strongest verdict wins, and uncovers the weaker", test_strongest);
	plane_case_add("a flow's verdict drops that flow", test_flow);
	plane_case_add("a neighbour of the source is a bystander", test_bystander);
	plane_case_add("a verdict counts what it drops", test_counts);
	return plane_case_run("verdict");
}
