/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * No shape of packet walks past a policy: each row below against every policy that goes by the
 * source, whole and cut at every byte, on both hooks. What the parser makes of shapes is in
 * test_parse.c; idle time and trickles are in test_limit.c, fragments and errors of vips in test_vip.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/proto.h"
#include "plane_case.h"

#define TCP .proto = PROTO_TCP, .sport = 40000, .dport = 80
#define SYN TCP, .tcp_flags = TCP_SYN_FLAG
#define ACK TCP, .tcp_flags = TCP_ACK_FLAG
#define UDP .proto = PROTO_UDP, .sport = 40000, .dport = 53, .payload_bytes = 24
#define EXT_8                                                                              \
	PROTO_DEST_OPTIONS, PROTO_ROUTING, PROTO_DEST_OPTIONS, PROTO_MOBILITY, PROTO_AUTH, \
		PROTO_HIP, PROTO_SHIM6, PROTO_DEST_OPTIONS
#define FOREVER UINT64_MAX

/* Who sends: everybody has a policy of his own, so that all can be in force at once. */
enum sender {
	NOBODY, /* no policy */
	DENIED,
	DENIED_EXACTLY,
	BY_VERDICT,
	BY_WIDE_VERDICT,
	NEW_BY_VERDICT,
	OVER_PACKETS,
	OVER_BYTES,
	OVER_CONNECTIONS,
	OVER_PREFIX,
	SENDERS,
};

static const char *const sender_name[SENDERS] = {
	"nobody",
	"a denied /24 or /48",
	"a denied address or /64",
	"a verdict",
	"a wide verdict",
	"a verdict on new",
	"a limit of packets",
	"a limit of bytes",
	"a limit of connections",
	"a limit per /24 or /48",
};

struct row {
	const char *what;
	struct packet_spec spec;
	bool ipv6;
	void (*change)(struct packet *packet); /* what a spec cannot say */
	enum drop_reason refused;	       /* whoever sends it */
	bool to_host;			       /* whoever sends it */
};

static const struct packet_spec quoted_v4 = { .src = "192.0.2.10",
					      .dst = "203.0.113.5",
					      .proto = PROTO_TCP };
static const struct packet_spec quoted_v6 = { .src = "2001:db8:2::10",
					      .dst = "2001:db8:3::5",
					      .proto = PROTO_UDP };

static void map_source(struct packet *packet)
{
	memset(packet->bytes + packet->l3 + 8, 0, 10);
	memset(packet->bytes + packet->l3 + 18, 0xff, 2);
}

static void map_destination(struct packet *packet)
{
	memset(packet->bytes + packet->l3 + 24, 0, 10);
	memset(packet->bytes + packet->l3 + 34, 0xff, 2);
}

/* The second of two fragment headers says that the packet is whole. */
static void make_second_whole(struct packet *packet)
{
	memset(packet->bytes + packet->l3 + 50, 0, 2);
}

static const struct row rows[] = {
	{ .what = "a SYN", .spec = { SYN } },
	{ .what = "a SYN over IPv6", .spec = { SYN }, .ipv6 = true },
	{ .what = "a packet of a connection", .spec = { ACK } },
	{ .what = "a datagram", .spec = { UDP } },
	{ .what = "a datagram over IPv6", .spec = { UDP }, .ipv6 = true },
	{ .what = "one VLAN tag hides nothing", .spec = { SYN, .tags = 1 } },
	{ .what = "QinQ hides nothing", .spec = { SYN, .tags = 2 } },
	{ .what = "QinQ over IPv6 hides nothing", .spec = { UDP, .tags = 2 }, .ipv6 = true },
	{ .what = "a third tag is refused", .spec = { SYN, .tags = 3 }, .refused = DROP_MALFORMED },
	{ .what = "40 bytes of IPv4 options hide nothing", .spec = { SYN, .option_bytes = 40 } },
	{ .what = "40 bytes of TCP options hide nothing", .spec = { SYN, .tcp_option_bytes = 40 } },
	{ .what = "options of both behind QinQ hide nothing",
	  .spec = { SYN, .tags = 2, .option_bytes = 24, .tcp_option_bytes = 20 } },
	{ .what = "eight extension headers hide nothing",
	  .spec = { SYN, .ext = { EXT_8 } },
	  .ipv6 = true },
	{ .what = "a ninth extension header is refused",
	  .spec = { SYN, .hop_options = true, .ext = { EXT_8 } },
	  .ipv6 = true,
	  .refused = DROP_EXT_HEADERS },
	{ .what = "an extension header of 488 bytes hides nothing",
	  .spec = { SYN, .hop_options = true, .ext_words = 60 },
	  .ipv6 = true },
	{ .what = "a first fragment hides nothing", .spec = { UDP, .frag_more = true } },
	{ .what = "a first fragment of a SYN hides nothing", .spec = { SYN, .frag_more = true } },
	{ .what = "a later fragment hides nothing", .spec = { UDP, .frag_offset = 100 } },
	{ .what = "a last fragment behind options hides nothing",
	  .spec = { UDP, .frag_offset = 0x1ffe, .option_bytes = 8 } },
	{ .what = "a later fragment of an unknown transport hides nothing",
	  .spec = { .proto = 47, .frag_offset = 9, .payload_bytes = 24 } },
	{ .what = "a first IPv6 fragment hides nothing",
	  .spec = { UDP, .ext = { PROTO_FRAGMENT }, .frag_more = true },
	  .ipv6 = true },
	{ .what = "a later IPv6 fragment hides nothing",
	  .spec = { UDP, .ext = { PROTO_FRAGMENT }, .frag_offset = 100 },
	  .ipv6 = true },
	{ .what = "a later IPv6 fragment behind other headers hides nothing",
	  .spec = { UDP, .ext = { PROTO_DEST_OPTIONS, PROTO_ROUTING, PROTO_FRAGMENT },
		    .frag_offset = 9 },
	  .ipv6 = true },
	{ .what = "an IPv6 fragment header of a whole packet hides nothing",
	  .spec = { SYN, .ext = { PROTO_FRAGMENT } },
	  .ipv6 = true },
	{ .what = "two fragment headers that contradict each other hide nothing",
	  .spec = { SYN, .ext = { PROTO_FRAGMENT, PROTO_FRAGMENT }, .frag_more = true },
	  .ipv6 = true,
	  .change = make_second_whole },
	{ .what = "a first fragment without TCP's flags is refused",
	  .spec = { .proto = PROTO_TCP, .frag_more = true, .length_lie = -12 },
	  .refused = DROP_MALFORMED },
	{ .what = "a fragment over TCP's flags is refused",
	  .spec = { TCP, .frag_offset = 1, .payload_bytes = 24 },
	  .refused = DROP_MALFORMED },
	{ .what = "GRE hides nothing", .spec = { .proto = 47, .payload_bytes = 40 } },
	{ .what = "SCTP over IPv6 hides nothing",
	  .spec = { .proto = 132, .payload_bytes = 40 },
	  .ipv6 = true },
	{ .what = "no next header hides nothing",
	  .spec = { .proto = 59, .payload_bytes = 8 },
	  .ipv6 = true },
	{ .what = "a TTL and protocol that read as a VLAN tag hide nothing",
	  .spec = { .proto = 0, .hop_limit = 0x81, .payload_bytes = 40 } },
	{ .what = "a ping hides nothing", .spec = { .proto = PROTO_ICMP, .icmp_type = 8 } },
	{ .what = "an ICMP error with 8 bytes of a flow hides nothing",
	  .spec = { .proto = PROTO_ICMP, .icmp_type = 3, .quoted = &quoted_v4 } },
	{ .what = "an ICMPv6 error hides nothing",
	  .spec = { .proto = PROTO_ICMPV6, .icmp_type = 2, .quoted = &quoted_v6 },
	  .ipv6 = true },
	{ .what = "neighbour discovery from beyond the link hides nothing",
	  .spec = { .proto = PROTO_ICMPV6, .icmp_type = 135, .hop_limit = 254 },
	  .ipv6 = true },
	{ .what = "neighbour discovery behind an extension header hides nothing",
	  .spec = { .proto = PROTO_ICMPV6,
		    .icmp_type = 135,
		    .hop_limit = 255,
		    .ext = { PROTO_DEST_OPTIONS } },
	  .ipv6 = true },
	{ .what = "an IPv4-mapped source on the wire is refused",
	  .spec = { UDP },
	  .ipv6 = true,
	  .change = map_source,
	  .refused = DROP_MALFORMED },
	{ .what = "an IPv4-mapped destination on the wire is refused",
	  .spec = { UDP },
	  .ipv6 = true,
	  .change = map_destination,
	  .refused = DROP_MALFORMED },
	{ .what = "neighbour discovery of the link goes to the host",
	  .spec = { .proto = PROTO_ICMPV6, .icmp_type = 135, .hop_limit = 255 },
	  .ipv6 = true,
	  .to_host = true },
	{ .what = "ARP goes to the host", .spec = { UDP, .ether_type = 0x0806 }, .to_host = true },
	{ .what = "MPLS goes to the host", .spec = { UDP, .ether_type = 0x8847 }, .to_host = true },
};

static const char *source_of(enum sender who, bool ipv6, char text[32])
{
	snprintf(text, 32, ipv6 ? "2001:db8:10%u::7" : "10.0.%u.7", who);
	return text;
}

static void build(const struct row *row, enum sender who, struct packet *ret)
{
	struct packet_spec spec = row->spec;
	char text[32];

	spec.src = source_of(who, row->ipv6, text);
	spec.dst = row->ipv6 ? "2001:db8:2::10" : "192.0.2.10";
	packet_build(&spec, ret);
	if (row->change)
		row->change(ret);
}

/* An empty bucket, refilled in a day: 62 bytes are what the packet that empties it has. */
static void limit(struct plane *p, enum sender who, enum limit_unit unit)
{
	static const struct packet_spec spend[LIMIT_UNITS] = {
		{ UDP }, { .proto = PROTO_UDP, .payload_bytes = 20 }, { SYN }
	};
	static const struct packet_spec spend_v6 = { .proto = PROTO_UDP };
	struct packet_spec spec;
	bool ipv6;
	char text[32];

	for (ipv6 = false;; ipv6 = true) {
		spec = ipv6 && unit == LIMIT_BYTES ? spend_v6 : spend[unit];
		source_of(who, ipv6, text);
		plane_limit_prefix(p, text, ipv6 ? 48 : 24, who);
		if (who == OVER_PREFIX) /* somebody else in it did it */
			text[strlen(text) - 1] = '8';
		spec.src = text;
		spec.dst = ipv6 ? "2001:db8:2::10" : "192.0.2.10";
		assert_int_equal(plane_run_spec(p, &spec), PLANE_PASS);
		if (ipv6)
			break;
	}
}

static void policies(struct plane *p)
{
	char v4[32], v6[32];

	plane_acl(p, SOURCE_LIST_DENY, source_of(DENIED, false, v4), 24);
	plane_acl(p, SOURCE_LIST_DENY, source_of(DENIED, true, v6), 48);
	plane_acl(p, SOURCE_LIST_DENY, source_of(DENIED_EXACTLY, false, v4), 32);
	plane_acl(p, SOURCE_LIST_DENY, source_of(DENIED_EXACTLY, true, v6), 64);
	plane_verdict(p, source_of(BY_VERDICT, false, v4), 32, VERDICT_DROP, FOREVER);
	plane_verdict(p, "2001:db8:103::", 64, VERDICT_DROP, FOREVER);
	plane_verdict(p, "10.0.4.0", 24, VERDICT_DROP, FOREVER);
	plane_verdict(p, "2001:db8:104::", 48, VERDICT_DROP, FOREVER);
	plane_verdict(p, source_of(NEW_BY_VERDICT, false, v4), 32, VERDICT_DROP_NEW, FOREVER);
	plane_verdict(p, "2001:db8:105::", 64, VERDICT_DROP_NEW, FOREVER);
	plane_limit(p, OVER_PACKETS, LIMIT_PACKETS, 1, 1, false);
	plane_limit(p, OVER_BYTES, LIMIT_BYTES, 1, 62, false);
	plane_limit(p, OVER_CONNECTIONS, LIMIT_CONNECTIONS, 1, 1, false);
	plane_limit(p, OVER_PREFIX, LIMIT_PACKETS, 1, 1, false);
	plane_limit_per_prefix(p, OVER_PREFIX);
	limit(p, OVER_PACKETS, LIMIT_PACKETS);
	limit(p, OVER_BYTES, LIMIT_BYTES);
	limit(p, OVER_CONNECTIONS, LIMIT_CONNECTIONS);
	limit(p, OVER_PREFIX, LIMIT_PACKETS);
}

/* Why the packet of this sender is dropped; DROP_NONE: it is not. */
static enum drop_reason expected(const struct row *row, enum sender who)
{
	static const enum drop_reason reasons[SENDERS] = {
		DROP_NONE,	     DROP_ACL_DENY,	  DROP_ACL_DENY,
		DROP_VERDICT_SOURCE, DROP_VERDICT_SOURCE, DROP_VERDICT_SOURCE,
		DROP_LIMIT_PACKETS,  DROP_LIMIT_BYTES,	  DROP_LIMIT_CONNECTIONS,
		DROP_LIMIT_PACKETS,
	};
	bool syn = row->spec.tcp_flags == TCP_SYN_FLAG;

	if (row->refused || row->to_host)
		return row->refused;
	if (who == OVER_CONNECTIONS && !syn)
		return DROP_NONE;
	if (who == NEW_BY_VERDICT && row->spec.proto == PROTO_TCP && !syn)
		return DROP_NONE;
	return reasons[who];
}

static void check(struct plane *p, const struct packet *packet, enum drop_reason want,
		  const char *sender)
{
	struct stats_count before = plane_drops(p, want);
	enum plane_action action = plane_run(p, packet, NULL);

	if (action != (want ? PLANE_DROP : PLANE_PASS))
		fail_msg("%s, %u bytes: action %u, expected reason %u", sender, packet->len, action,
			 want);
	if (plane_drops(p, want).packets != before.packets + 1)
		fail_msg("%s, %u bytes: dropped for another reason than %u", sender, packet->len,
			 want);
}

/* Policies are written when the plane is fresh: the rows share it. */
static void begin(struct plane *p)
{
	if (p->n_groups == 0)
		policies(p);
}

static void test_whole(struct plane *p, const void *at)
{
	const struct row *row = at;
	struct packet packet;
	enum sender who;

	begin(p);
	for (who = NOBODY; who < SENDERS; who++) {
		build(row, who, &packet);
		check(p, &packet, expected(row, who), sender_name[who]);
	}
}

/* For TC, BPF_PROG_TEST_RUN itself refuses untagged frames with less than an IP header. */
static uint32_t shortest(const struct plane *p, const struct row *row, const struct packet *packet)
{
	if (p->hook == PLANE_XDP || row->spec.tags)
		return 15;
	return packet->l3 + (row->ipv6 ? 40 : 20);
}

/* A whole packet claims what a cut one lacks: nobody's passes, at any length. */
static void test_cut(struct plane *p, const void *at)
{
	const struct row *row = at;
	struct packet packet;
	uint32_t least;

	begin(p);
	build(row, NOBODY, &packet);
	if (row->to_host || row->refused == DROP_EXT_HEADERS || row->spec.length_lie)
		return; /* not IP, or refused before its end is met */
	least = shortest(p, row, &packet);
	assert_true(packet.len > least);
	while (--packet.len >= least)
		check(p, &packet, DROP_MALFORMED, sender_name[NOBODY]);
}

/* A list that is kept while the other one changes stays what it is. */
static void test_lists_keep_their_meaning(struct plane *p, const void *at)
{
	static const struct packet_spec udp = { .src = "10.0.0.7", .dst = "192.0.2.10", UDP };

	(void)at;
	plane_acl(p, SOURCE_LIST_DENY, "10.0.0.0", 24);
	assert_int_equal(plane_run_spec(p, &udp), PLANE_DROP);
	plane_acl(p, SOURCE_LIST_ALLOW, "10.0.0.0", 24);
	assert_int_equal(plane_run_spec(p, &udp), PLANE_PASS);
	plane_acl_remove(p, SOURCE_LIST_ALLOW, "10.0.0.0", 24);
	assert_int_equal(plane_run_spec(p, &udp), PLANE_DROP);
	plane_acl_remove(p, SOURCE_LIST_DENY, "10.0.0.0", 24);
	assert_int_equal(plane_run_spec(p, &udp), PLANE_PASS);
}

static void test_fragment_stays_fragment(struct plane *p, const void *at)
{
	static const struct row row = { .spec = { UDP, .ext = { PROTO_FRAGMENT, PROTO_FRAGMENT },
						  .frag_more = true },
					.ipv6 = true,
					.change = make_second_whole };
	struct packet packet;

	(void)at;
	plane_limit(p, 1, LIMIT_PACKETS, 1, 1, false);
	plane_limit_kind(p, LIMIT_KIND_FRAGMENT, 1);
	build(&row, NOBODY, &packet);
	assert_int_equal(plane_run(p, &packet, NULL), PLANE_PASS);
	assert_int_equal(plane_run(p, &packet, NULL), PLANE_DROP);
}

#define TABLE(fn) plane_case_table(fn, rows, sizeof(rows[0]), sizeof(rows) / sizeof(rows[0]))

int main(void)
{
	static struct row cut[sizeof(rows) / sizeof(rows[0])];
	static char what[sizeof(rows) / sizeof(rows[0])][160];
	size_t i;

	plane_case_shared(true);
	TABLE(test_whole);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cut[i] = rows[i];
		snprintf(what[i], sizeof(what[i]), "cut at every byte: %s", rows[i].what);
		cut[i].what = what[i];
	}
	plane_case_table(test_cut, cut, sizeof(cut[0]), sizeof(cut) / sizeof(cut[0]));
	plane_case_shared(false);
	plane_case_add("a deny list stays one when prefixes are allowed and no longer",
		       test_lists_keep_their_meaning);
	plane_case_add("a fragment stays one, whatever a second header says",
		       test_fragment_stays_fragment);
	return plane_case_run("bypass");
}
