/* SPDX-License-Identifier: BSD-2-Clause */
/* The parser: what is understood goes on, what is broken is dropped. Past policy: test_bypass.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "lib/proto.h"
#include "plane_case.h"

#define V4  .src = "198.51.100.7", .dst = "192.0.2.10"
#define V6  .src = "2001:db8:1::7", .dst = "2001:db8:2::10"
#define TCP .proto = PROTO_TCP, .sport = 40000, .dport = 80
#define UDP .proto = PROTO_UDP, .sport = 40000, .dport = 53
#define EXT_8                                                                              \
	PROTO_DEST_OPTIONS, PROTO_ROUTING, PROTO_DEST_OPTIONS, PROTO_MOBILITY, PROTO_AUTH, \
		PROTO_HIP, PROTO_SHIM6, PROTO_DEST_OPTIONS

static const struct packet_spec quoted_v4 = { .src = "192.0.2.10",
					      .dst = "203.0.113.5",
					      .proto = PROTO_TCP };

struct row {
	const char *what;
	struct packet_spec spec;
	enum drop_reason reason; /* DROP_NONE: it goes on to the host */
	bool not_ip;		 /* no list is asked */
};

static const struct row rows[] = {
	{ .what = "a TCP packet goes on", .spec = { V4, TCP } },
	{ .what = "a UDP packet goes on", .spec = { V4, UDP, .payload_bytes = 100 } },
	{ .what = "a TCP packet over IPv6 goes on", .spec = { V6, TCP } },
	{ .what = "a UDP packet over IPv6 goes on", .spec = { V6, UDP } },
	{ .what = "an echo request goes on", .spec = { V4, .proto = PROTO_ICMP, .icmp_type = 8 } },
	{ .what = "an IPv6 echo request goes on",
	  .spec = { V6, .proto = PROTO_ICMPV6, .icmp_type = 128 } },
	{ .what = "one VLAN tag is looked through", .spec = { V4, TCP, .tags = 1 } },
	{ .what = "two VLAN tags are looked through", .spec = { V4, TCP, .tags = 2 } },
	{ .what = "two VLAN tags are looked through over IPv6", .spec = { V6, UDP, .tags = 2 } },
	{ .what = "a third VLAN tag is refused",
	  .spec = { V4, TCP, .tags = 3 },
	  .reason = DROP_MALFORMED,
	  .not_ip = true },
	{ .what = "IPv4 options are skipped", .spec = { V4, TCP, .option_bytes = 40 } },
	{ .what = "TCP options are skipped", .spec = { V4, TCP, .tcp_option_bytes = 40 } },
	{ .what = "frame padding is not packet", .spec = { V4, UDP, .padding = 30 } },
	{ .what = "an unknown transport goes on",
	  .spec = { V4, .proto = 47, .payload_bytes = 40 } },
	{ .what = "an unknown transport over IPv6 goes on",
	  .spec = { V6, .proto = 132, .payload_bytes = 40 } },
	{ .what = "ICMP of the other IP version is an unknown transport",
	  .spec = { V4, .proto = PROTO_ICMPV6, .icmp_type = 135 } },
	{ .what = "no next header is an unknown transport", .spec = { V6, .proto = 59 } },
	{ .what = "ARP goes to the host",
	  .spec = { V4, TCP, .ether_type = 0x0806 },
	  .not_ip = true },
	{ .what = "a frame with a length instead of a type goes to the host",
	  .spec = { V4, TCP, .ether_type = 0x0040 },
	  .not_ip = true },
	{ .what = "neighbour discovery goes to the host unasked",
	  .spec = { V6, .proto = PROTO_ICMPV6, .icmp_type = 135, .hop_limit = 255 },
	  .not_ip = true },
	{ .what = "neighbour discovery from beyond the link is asked like any packet",
	  .spec = { V6, .proto = PROTO_ICMPV6, .icmp_type = 135, .hop_limit = 254 } },
	{ .what = "a first fragment goes on",
	  .spec = { V4, UDP, .frag_more = true, .payload_bytes = 16 } },
	{ .what = "a later fragment goes on",
	  .spec = { V4, UDP, .frag_offset = 100, .payload_bytes = 16 } },
	{ .what = "the last byte's fragment goes on",
	  .spec = { V4, UDP, .frag_offset = 0x1fff, .payload_bytes = 1 } },
	{ .what = "a first IPv6 fragment goes on",
	  .spec = { V6, UDP, .ext = { PROTO_FRAGMENT }, .frag_more = true, .payload_bytes = 16 } },
	{ .what = "a later IPv6 fragment goes on",
	  .spec = { V6, UDP, .ext = { PROTO_FRAGMENT }, .frag_offset = 100, .payload_bytes = 16 } },
	{ .what = "a first fragment too short for TCP's flags is refused (RFC 1858)",
	  .spec = { V4, .proto = PROTO_TCP, .frag_more = true, .length_lie = -12 },
	  .reason = DROP_MALFORMED },
	{ .what = "a fragment that would rewrite TCP's flags is refused (RFC 3128)",
	  .spec = { V4, TCP, .frag_offset = 1, .payload_bytes = 16 },
	  .reason = DROP_MALFORMED },
	{ .what = "the same over IPv6 is refused",
	  .spec = { V6, TCP, .ext = { PROTO_FRAGMENT }, .frag_offset = 1, .payload_bytes = 16 },
	  .reason = DROP_MALFORMED },
	{ .what = "eight extension headers are followed", .spec = { V6, TCP, .ext = { EXT_8 } } },
	{ .what = "hop-by-hop options are followed", .spec = { V6, TCP, .hop_options = true } },
	{ .what = "an extension header of 488 bytes is followed",
	  .spec = { V6, TCP, .hop_options = true, .ext_words = 60 } },
	{ .what = "a nine-header chain is refused",
	  .spec = { V6, TCP, .hop_options = true, .ext = { EXT_8 } },
	  .reason = DROP_EXT_HEADERS },
	{ .what = "an extension header beyond the packet is refused",
	  .spec = { V6, .proto = 59, .ext = { PROTO_DEST_OPTIONS }, .ext_words = 3,
		    .length_lie = -8 },
	  .reason = DROP_MALFORMED },
	{ .what = "an error that quotes 8 bytes goes on",
	  .spec = { V4, .proto = PROTO_ICMP, .icmp_type = 3, .quoted = &quoted_v4 } },
	{ .what = "an error that quotes 7 bytes goes on: the host may want it",
	  .spec = { V4, .proto = PROTO_ICMP, .icmp_type = 3, .quoted = &quoted_v4,
		    .quoted_l4_bytes = 7 } },
	{ .what = "an error that quotes nothing goes on",
	  .spec = { V4, .proto = PROTO_ICMP, .icmp_type = 11 } },
	{ .what = "an IPv4 header of 16 bytes is refused",
	  .spec = { V4, TCP, .ihl = 4 },
	  .reason = DROP_MALFORMED },
	{ .what = "an IPv4 header of 0 bytes is refused",
	  .spec = { V4, TCP, .version = 4, .ihl = 1 },
	  .reason = DROP_MALFORMED },
	{ .what = "an IPv4 header longer than the packet is refused",
	  .spec = { V4, UDP, .ihl = 15 },
	  .reason = DROP_MALFORMED },
	{ .what = "a packet shorter than its header is refused",
	  .spec = { V4, UDP, .length_lie = -10 },
	  .reason = DROP_MALFORMED },
	{ .what = "a packet that claims a byte more than the frame has is refused",
	  .spec = { V4, UDP, .length_lie = 1 },
	  .reason = DROP_MALFORMED },
	{ .what = "the same over IPv6 is refused",
	  .spec = { V6, UDP, .length_lie = 1 },
	  .reason = DROP_MALFORMED },
	{ .what = "a transport header in the padding is refused",
	  .spec = { V4, UDP, .length_lie = -1, .padding = 20 },
	  .reason = DROP_MALFORMED },
	{ .what = "version 5 in an IPv4 frame is refused",
	  .spec = { V4, UDP, .version = 5 },
	  .reason = DROP_MALFORMED },
	{ .what = "version 4 in an IPv6 frame is refused",
	  .spec = { V6, UDP, .version = 4 },
	  .reason = DROP_MALFORMED },
	{ .what = "a TCP header of 16 bytes is refused",
	  .spec = { V4, TCP, .doff = 4 },
	  .reason = DROP_MALFORMED },
	{ .what = "a TCP header longer than the packet is refused",
	  .spec = { V4, TCP, .doff = 15 },
	  .reason = DROP_MALFORMED },
	{ .what = "a UDP length under 8 is refused",
	  .spec = { V4, UDP, .udp_length = 7 },
	  .reason = DROP_MALFORMED },
};

/* Mapped addresses cannot be written as packet_spec's text: built by hand. */
static const struct row mapped = { .what = "an IPv4 address inside IPv6 is refused",
				   .spec = { V6, UDP } };

static void check(struct plane *p, const struct packet *packet, enum drop_reason want,
		  const char *what)
{
	struct stats_count seen = plane_drops(p, DROP_NONE), after;
	struct stats_count before = plane_drops(p, want);
	enum plane_action action = plane_run(p, packet, NULL);

	if (action != (want == DROP_NONE ? PLANE_PASS : PLANE_DROP))
		fail_msg("%s: action %d", what, action);
	after = plane_drops(p, DROP_NONE);
	assert_int_equal(after.packets, seen.packets + 1);
	assert_int_equal(after.bytes, seen.bytes + packet->len);
	if (want == DROP_NONE)
		return;
	after = plane_drops(p, want);
	if (after.packets != before.packets + 1)
		fail_msg("%s: dropped for another reason", what);
}

static void test_row(struct plane *p, const void *at)
{
	const struct row *row = at;
	struct packet packet;

	packet_build(&row->spec, &packet);
	check(p, &packet, row->reason, row->what);
}

/* What the parser lets go on is known by its source, whatever its shape. */
static void test_row_denied(struct plane *p, const void *at)
{
	const struct row *row = at;
	enum drop_reason want = row->reason;
	struct packet packet;

	if (want == DROP_NONE && !row->not_ip)
		want = DROP_ACL_DENY;
	packet_build(&row->spec, &packet);
	plane_acl(p, SOURCE_LIST_DENY, "198.51.100.0", 24);
	plane_acl(p, SOURCE_LIST_DENY, "2001:db8:1::", 48);
	check(p, &packet, want, row->what);
}

static void test_mapped(struct plane *p, const void *at)
{
	struct packet packet;

	(void)at;
	packet_build(&mapped.spec, &packet);
	memset(packet.bytes + packet.l3 + 8, 0, 10);
	memset(packet.bytes + packet.l3 + 18, 0xff, 2);
	check(p, &packet, DROP_MALFORMED, mapped.what);
}

static const struct row unknown[] = {
	{ .what = "GRE is dropped when unknown transports are",
	  .spec = { V4, .proto = 47, .payload_bytes = 40 },
	  .reason = DROP_UNKNOWN_L4 },
	{ .what = "SCTP over IPv6 is dropped when unknown transports are",
	  .spec = { V6, .proto = 132, .payload_bytes = 40 },
	  .reason = DROP_UNKNOWN_L4 },
	{ .what = "its later fragments are, too",
	  .spec = { V4, .proto = 47, .frag_offset = 9, .payload_bytes = 40 },
	  .reason = DROP_UNKNOWN_L4 },
	{ .what = "TCP is not", .spec = { V4, TCP } },
	{ .what = "ICMP is not", .spec = { V4, .proto = PROTO_ICMP, .icmp_type = 8 } },
	{ .what = "later fragments of UDP are not",
	  .spec = { V6, UDP, .ext = { PROTO_FRAGMENT }, .frag_offset = 100, .payload_bytes = 16 } },
};

#define TABLE(fn, rows) plane_case_table(fn, rows, sizeof(rows[0]), sizeof(rows) / sizeof(rows[0]))

int main(void)
{
	static const struct plane_settings strict = { .unknown_l4_drop = true };

	plane_case_shared(true);
	TABLE(test_row, rows);
	plane_case_add(mapped.what, test_mapped);
	/* Last: it leaves its prefixes behind. */
	TABLE(test_row_denied, rows);
	plane_case_shared(false);
	plane_case_settings(&strict);
	TABLE(test_row, unknown);
	return plane_case_run("parse");
}
