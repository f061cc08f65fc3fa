/* SPDX-License-Identifier: BSD-2-Clause */
/* What routers say of the way to a backend, and whom of them is believed. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "lib/proto.h"
#include "plane_case.h"
#include "sluice/abi/path_mtu.h"

#define EDGE4	 "192.0.2.1"
#define BACKEND4 "10.9.0.11"
#define EDGE6	 "2001:db8:2::1"
#define BACKEND6 "2001:db8:9::11"
#define ROUTER4	 "10.1.0.1"
#define ROUTER6	 "2001:db8:1::1"
#define FLOOR4	 596
#define FLOOR6	 1280
#define IPIP	 4

struct said {
	const char *sentence;
	bool v6;
	const char *from, *to; /* of the packet that is quoted; NULL: edge to backend */
	uint8_t type, code;    /* 0 0: the right ones */
	uint32_t tags;
	uint8_t proto; /* quoted; 0: IPIP */
	uint32_t mtu;
	uint32_t is; /* what is known then; 0: as before */
};

static const struct said table[] = {
	{ "fragmentation needed lowers what is known", .mtu = 1400, .is = 1400 },
	{ "packet too big does", .v6 = true, .mtu = 1400, .is = 1400 },
	{ "behind tags, too", .tags = 2, .mtu = 1400, .is = 1400 },
	{ "quoting UDP, too", .proto = PROTO_UDP, .mtu = 1400, .is = 1400 },
	{ "not below the floor, IPv4", .mtu = 68, .is = FLOOR4 },
	{ "not below the floor, IPv6", .v6 = true, .mtu = 100, .is = FLOOR6 },
	{ "an old router's silence is not believed", .mtu = 0 },
	{ "what is larger than known is not", .mtu = 1600 },
	{ "another address than ours is not", .from = "192.0.2.2", .mtu = 1400 },
	{ "another source of IPv6 is not", .v6 = true, .from = "2001:db8:2::2", .mtu = 1400 },
	{ "of a way to nobody's backend nothing is kept", .to = "10.9.0.12", .mtu = 1400 },
	{ "another error says nothing of it", .type = 3, .code = 1, .mtu = 1400 },
	{ "nor another of IPv6", .v6 = true, .type = 1, .code = 0, .mtu = 1400 },
};

static void know(struct plane *p, const struct said *s)
{
	struct path_mtu known = { .source = packet_addr(s->v6 ? EDGE6 : EDGE4),
				  .mtu = 1500,
				  .floor = s->v6 ? FLOOR6 : FLOOR4 };
	struct addr to = packet_addr(s->v6 ? BACKEND6 : BACKEND4);

	assert_int_equal(bpf_map_update_elem(plane_map(p, "path_mtu"), &to, &known, BPF_ANY), 0);
}

static struct path_mtu known(struct plane *p, bool v6)
{
	struct addr to = packet_addr(v6 ? BACKEND6 : BACKEND4);
	struct path_mtu ret;

	assert_int_equal(bpf_map_lookup_elem(plane_map(p, "path_mtu"), &to, &ret), 0);
	return ret;
}

static void build(const struct said *s, struct packet *ret)
{
	struct packet_spec quoted = { .src = s->from ? s->from
					     : s->v6 ? EDGE6
						     : EDGE4,
				      .dst = s->to   ? s->to
					     : s->v6 ? BACKEND6
						     : BACKEND4,
				      .proto = s->proto ? s->proto : IPIP,
				      .payload_bytes = 64 };
	struct packet_spec spec = { .src = s->v6 ? ROUTER6 : ROUTER4,
				    .dst = s->v6 ? EDGE6 : EDGE4,
				    .proto = s->v6 ? PROTO_ICMPV6 : PROTO_ICMP,
				    .icmp_type = s->type ? s->type
						 : s->v6 ? 2
							 : 3,
				    .tags = s->tags,
				    .quoted = &quoted };
	uint32_t mtu = htonl(s->mtu);

	packet_build(&spec, ret);
	ret->bytes[ret->l4 + 1] = s->type ? s->code : s->v6 ? 0 : 4;
	memcpy(ret->bytes + ret->l4 + 4, &mtu, sizeof(mtu));
}

static void test_said(struct plane *p, const void *row)
{
	const struct said *s = row;
	struct packet packet;
	uint32_t cut;

	know(p, s);
	build(s, &packet);
	assert_int_equal(plane_run(p, &packet, NULL), PLANE_PASS);
	assert_int_equal(known(p, s->v6).mtu, s->is ? s->is : 1500);
	assert_int_equal(known(p, s->v6).heard_ns, s->is ? *p->now_ns : 0);
	/* Of a quoted IP header that is cut short nothing is believed. */
	know(p, s);
	for (cut = packet.l4 + 8; cut < packet.l4 + 8 + 20; cut += 5) {
		struct packet_spec other = { .src = ROUTER4,
					     .dst = EDGE4,
					     .proto = PROTO_ICMP,
					     .icmp_type = 3,
					     .payload_bytes = cut - packet.l4 - 8 };
		struct packet stub;

		packet_build(&other, &stub);
		memcpy(stub.bytes + stub.l4, packet.bytes + packet.l4, cut - packet.l4);
		plane_run(p, &stub, NULL);
		assert_int_equal(known(p, s->v6).mtu, 1500);
	}
}

static void test_again(struct plane *p, const void *row)
{
	struct said s = { .mtu = 1400 };
	struct packet packet;

	(void)row;
	know(p, &s);
	build(&s, &packet);
	plane_run(p, &packet, NULL);
	*p->now_ns += PLANE_SECOND;
	plane_run(p, &packet, NULL);
	assert_int_equal(known(p, false).heard_ns, *p->now_ns);
	s.mtu = 1300;
	build(&s, &packet);
	plane_run(p, &packet, NULL);
	assert_int_equal(known(p, false).mtu, 1300);
}

/* Who is denied says nothing. */
static void test_denied(struct plane *p, const void *row)
{
	struct said s = { .mtu = 1400 };
	struct packet packet;

	(void)row;
	know(p, &s);
	plane_acl(p, SOURCE_LIST_DENY, "10.1.0.0", 16);
	build(&s, &packet);
	assert_int_equal(plane_run(p, &packet, NULL), PLANE_DROP);
	assert_int_equal(known(p, false).mtu, 1500);
}

int main(void)
{
	plane_case_table(test_said, table, sizeof(table[0]), sizeof(table) / sizeof(table[0]));
	plane_case_add("what is said again is younger, and less is less", test_again);
	plane_case_add("who is denied is not heard", test_denied);
	return plane_case_run("path_mtu");
}
