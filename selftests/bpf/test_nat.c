/* SPDX-License-Identifier: BSD-2-Clause */
/* Translation of addresses: what becomes of a client's packet, of its answer, and of the flow. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "nat_lab.h"

static const uint8_t backend_link[12] = { 0x02, 0xbb, 0, 0, 0, 1, 0x02, 0xee, 0, 0, 0, 1 };
static const uint8_t client_link[12] = { 0x02, 0, 0, 0, 0, 0xc1, 0x02, 0, 0, 0, 0, 0xed };
static const uint8_t from_client[12] = { 0x02, 0, 0, 0, 0, 0xed, 0x02, 0, 0, 0, 0, 0xc1 };

struct shape {
	const char *sentence;
	bool v6, routed;
	uint8_t proto;
};

static const struct shape shapes[] = {
	{ "TCP over IPv4 goes there from an address of ours, and back", false, false, PROTO_TCP },
	{ "UDP over IPv4 goes there from an address of ours, and back", false, false, PROTO_UDP },
	{ "TCP over IPv6 goes there from an address of ours, and back", true, false, PROTO_TCP },
	{ "UDP over IPv6 goes there from an address of ours, and back", true, false, PROTO_UDP },
	{ "TCP over IPv4 keeps its client's address, and comes back", false, true, PROTO_TCP },
	{ "UDP over IPv4 keeps its client's address, and comes back", false, true, PROTO_UDP },
	{ "TCP over IPv6 keeps its client's address, and comes back", true, true, PROTO_TCP },
	{ "UDP over IPv6 keeps its client's address, and comes back", true, true, PROTO_UDP },
};

/* All that may not differ: IP header but for TTL, checksum and addresses; transport but ports and sum. */
static void check_rest(const struct packet *in, const struct packet *out, bool v6, uint8_t proto)
{
	const uint8_t *a = in->bytes, *b = out->bytes;
	uint32_t l3 = in->l3, l4 = in->l4, sum = proto == PROTO_TCP ? 16 : 6;

	assert_int_equal(out->len, in->len);
	assert_memory_equal(b + 12, a + 12, l3 - 12);
	assert_int_equal(b[l3 + (v6 ? 7 : 8)], a[l3 + (v6 ? 7 : 8)] - 1);
	assert_memory_equal(b + l3, a + l3, v6 ? 7 : 8);
	if (!v6)
		assert_int_equal(b[l3 + 9], a[l3 + 9]);
	assert_memory_equal(b + l4 + 4, a + l4 + 4, sum - 4);
	assert_memory_equal(b + l4 + sum + 2, a + l4 + sum + 2, in->len - l4 - sum - 2);
	nat_lab_check_sums(out, v6, proto);
}

static void check_forward(const struct shape *s, const struct packet *in, const struct packet *out)
{
	struct nat_lab_tuple t;

	nat_lab_tuple(out, s->v6, &t);
	assert_memory_equal(out->bytes, backend_link, 12);
	assert_true(nat_lab_is(&t.dst, s->v6 ? NAT_BACKEND_6 : NAT_BACKEND_4));
	assert_int_equal(t.dport, NAT_BACKEND_PORT);
	if (s->routed) {
		assert_true(nat_lab_is(&t.src, s->v6 ? NAT_CLIENT_6 : NAT_CLIENT_4));
		assert_int_equal(t.sport, 4000);
	} else {
		assert_true(nat_lab_is(&t.src, s->v6 ? NAT_EDGE_6 : NAT_EDGE_4));
		assert_in_range(t.sport, NAT_PORT_FIRST, NAT_PORT_FIRST + NAT_PORTS - 1);
	}
	check_rest(in, out, s->v6, s->proto);
}

static void check_back(const struct shape *s, const struct packet *in, const struct packet *out)
{
	struct nat_lab_tuple t;

	nat_lab_tuple(out, s->v6, &t);
	assert_memory_equal(out->bytes, client_link, 12);
	assert_true(nat_lab_is(&t.src, s->v6 ? NAT_VIP_6 : NAT_VIP_4));
	assert_true(nat_lab_is(&t.dst, s->v6 ? NAT_CLIENT_6 : NAT_CLIENT_4));
	assert_int_equal(t.sport, 80);
	assert_int_equal(t.dport, 4000);
	check_rest(in, out, s->v6, s->proto);
}

static void test_shape(struct plane *p, const void *row)
{
	const struct shape *s = row;
	struct packet_spec spec = nat_lab_spec(s->v6, s->proto, 4000);
	struct packet in, out, again, answer;

	nat_lab_open(p, s->routed);
	for (spec.tags = 0; spec.tags <= 2; spec.tags++) {
		nat_lab_build(&spec, &in);
		memcpy(in.bytes, from_client, 12);
		assert_int_equal(plane_run(p, &in, &out), nat_lab_sent(p));
		check_forward(s, &in, &out);
		/* The same flow, the same port; its answer, and what follows that. */
		assert_int_equal(plane_run(p, &in, &again), nat_lab_sent(p));
		assert_memory_equal(again.bytes, out.bytes, out.len);
		nat_lab_answer(&out, &spec, &answer);
		assert_int_equal(plane_run(p, &answer, &again), nat_lab_sent(p));
		check_back(s, &answer, &again);
	}
	assert_int_equal(nat_lab_stats(p, s->v6).opened, 1);
	assert_int_equal(nat_lab_stats(p, s->v6).answer_packets, 3);
	/* No limit, no vip and no verdict counts an answer; it is forwarded. */
	assert_int_equal(plane_actions(p, STATS_FORWARD).packets, 9);
}

/* For every value of a word, with a checksum that it makes 0 among them: RFC 768. */
static void check_all_sums(struct plane *p, bool v6)
{
	struct packet_spec spec = nat_lab_spec(v6, PROTO_UDP, 4000);
	struct packet in, out;
	uint32_t i, mangled = 0;

	spec.payload_bytes = 2;
	for (i = 0; i < 65536; i++) {
		packet_build(&spec, &in);
		in.bytes[in.l4 + 8] = (uint8_t)(i >> 8);
		in.bytes[in.l4 + 9] = (uint8_t)i;
		nat_lab_fill_sums(&in, v6, PROTO_UDP);
		if (plane_run(p, &in, &out) != nat_lab_sent(p))
			fail_msg("word %u", i);
		if (!nat_lab_sums_up(&out, v6, PROTO_UDP))
			fail_msg("word %u", i);
		mangled += out.bytes[out.l4 = in.l4, in.l4 + 6] == 0xff &&
			   out.bytes[in.l4 + 7] == 0xff;
		if (!out.bytes[in.l4 + 6] && !out.bytes[in.l4 + 7])
			fail_msg("word %u: no checksum any more", i);
	}
	/* 65,535 sums, of which that one has two words. */
	assert_in_range(mangled, 1, 2);
}

static void test_all_sums(struct plane *p, const void *row)
{
	struct packet_spec spec = nat_lab_spec(false, PROTO_UDP, 4000);
	struct packet in, out;

	(void)row;
	nat_lab_open(p, false);
	check_all_sums(p, false);
	packet_build(&spec, &in);
	assert_int_equal(plane_run(p, &in, &out), nat_lab_sent(p));
	assert_int_equal(out.bytes[in.l4 + 6] | out.bytes[in.l4 + 7], 0);
}

/* What begins no flow, and what cannot be translated, is dropped for a reason of its own. */
static void test_refused(struct plane *p, const void *row)
{
	struct packet_spec spec = nat_lab_spec(false, PROTO_TCP, 4000);
	struct packet_spec ext = nat_lab_spec(true, PROTO_UDP, 4000);

	(void)row;
	nat_lab_open(p, false);
	spec.tcp_flags = TCP_ACK_FLAG;
	assert_int_equal(plane_run_spec(p, &spec), PLANE_DROP);
	spec.tcp_flags = TCP_RST;
	assert_int_equal(plane_run_spec(p, &spec), PLANE_DROP);
	assert_int_equal(plane_drops(p, DROP_NAT_NO_FLOW).packets, 2);
	assert_int_equal(nat_lab_stats(p, false).opened, 0);
	spec.tcp_flags = TCP_SYN_FLAG;
	spec.frag_more = true;
	assert_int_equal(plane_run_spec(p, &spec), PLANE_DROP);
	ext.ext[0] = PROTO_DEST_OPTIONS;
	assert_int_equal(plane_run_spec(p, &ext), PLANE_DROP);
	assert_int_equal(plane_drops(p, DROP_NAT_SHAPE).packets, 2);
	spec.frag_more = false;
	spec.hop_limit = 1;
	assert_int_equal(plane_run_spec(p, &spec), PLANE_DROP);
	assert_int_equal(plane_drops(p, DROP_TTL).packets, 1);
	/* What is none of a flow's is the host's. */
	spec = (struct packet_spec) { .src = NAT_BACKEND_4,
				      .dst = NAT_EDGE_4,
				      .proto = PROTO_TCP,
				      .sport = NAT_BACKEND_PORT,
				      .dport = 5000,
				      .tcp_flags = TCP_ACK_FLAG };
	assert_int_equal(plane_run_spec(p, &spec), PLANE_PASS);
}

/* IPv4 options before the transport header do not hide it. */
static void test_options(struct plane *p, const void *row)
{
	struct packet_spec spec = nat_lab_spec(false, PROTO_TCP, 4000);
	struct packet in, out;

	(void)row;
	nat_lab_open(p, false);
	spec.option_bytes = 40;
	spec.tcp_option_bytes = 40;
	nat_lab_build(&spec, &in);
	assert_int_equal(plane_run(p, &in, &out), nat_lab_sent(p));
	out.l3 = in.l3, out.l4 = in.l4;
	assert_true(nat_lab_sums_up(&out, false, PROTO_TCP));
	assert_int_equal(out.bytes[in.l4 + 2] << 8 | out.bytes[in.l4 + 3], NAT_BACKEND_PORT);
}

struct error_case {
	const char *sentence;
	bool v6, routed;
	uint8_t proto;
};

static const struct error_case errors[] = {
	{ "an ICMP error about TCP is translated both ways", false, false, PROTO_TCP },
	{ "an ICMP error about UDP is translated both ways", false, false, PROTO_UDP },
	{ "an ICMPv6 error about TCP is translated both ways", true, false, PROTO_TCP },
	{ "an ICMPv6 error about UDP is translated both ways", true, false, PROTO_UDP },
	{ "an ICMP error about a routed flow is translated both ways", false, true, PROTO_UDP },
	{ "an ICMPv6 error about a routed flow is translated both ways", true, true, PROTO_TCP },
};

/* An error about a packet as it left the edge, eight bytes of its transport quoted. */
static void make_error(const struct packet *about, const struct error_case *c, const char *router,
		       struct packet *ret)
{
	struct nat_lab_tuple t;
	char src[64], dst[64];
	struct packet_spec quoted, error;

	nat_lab_tuple(about, c->v6, &t);
	nat_lab_text(&t.src, src);
	nat_lab_text(&t.dst, dst);
	quoted = (struct packet_spec) {
		.src = src, .dst = dst, .proto = c->proto, .sport = t.sport, .dport = t.dport
	};
	error = (struct packet_spec) { .src = router,
				       .dst = src,
				       .proto = c->v6 ? PROTO_ICMPV6 : PROTO_ICMP,
				       .icmp_type = c->v6 ? 2 : 3,
				       .quoted = &quoted };
	packet_build(&error, ret);
	/* The quoted transport as it was, so that UDP has its checksum. */
	memcpy(ret->bytes + ret->l4 + 8 + (c->v6 ? 40 : 20), about->bytes + about->l4, 8);
	nat_lab_fill_sums(ret, c->v6, error.proto);
}

/* What is quoted in the error has to be what its receiver sent. */
static void check_error(const struct packet *out, const struct error_case *c,
			const struct packet *sent)
{
	uint32_t ip = out->l4 + 8, l4 = ip + (c->v6 ? 40 : 20);
	const uint8_t *was = sent->bytes;

	assert_true(nat_lab_sums_up(out, c->v6, c->v6 ? PROTO_ICMPV6 : PROTO_ICMP));
	if (!c->v6)
		assert_int_equal(csum_fold(csum_add_bytes(0, out->bytes + ip, 20)), 0);
	assert_memory_equal(out->bytes + ip + (c->v6 ? 8 : 12), was + sent->l3 + (c->v6 ? 8 : 12),
			    c->v6 ? 32 : 8);
	assert_memory_equal(out->bytes + l4, was + sent->l4, c->proto == PROTO_UDP ? 8 : 4);
}

static void test_error(struct plane *p, const void *row)
{
	const struct error_case *c = row;
	const char *router = c->v6 ? "2001:db8:ffff::1" : "203.0.113.1";
	struct packet_spec spec = nat_lab_spec(c->v6, c->proto, 4000);
	struct packet in, out, answer, to_client, error, done;
	struct nat_lab_tuple t;

	nat_lab_open(p, c->routed);
	nat_lab_build(&spec, &in);
	memcpy(in.bytes, from_client, 12);
	assert_int_equal(plane_run(p, &in, &out), nat_lab_sent(p));
	out.l3 = in.l3, out.l4 = in.l4;
	make_error(&out, c, router, &error);
	assert_int_equal(plane_run(p, &error, &done), nat_lab_sent(p));
	done.l3 = error.l3, done.l4 = error.l4;
	nat_lab_tuple(&done, c->v6, &t);
	assert_memory_equal(done.bytes, client_link, 12);
	assert_true(nat_lab_is(&t.src, c->v6 ? NAT_VIP_6 : NAT_VIP_4));
	assert_true(nat_lab_is(&t.dst, spec.src));
	check_error(&done, c, &in);
	/* And about the answer, from beyond the client's side. */
	nat_lab_answer(&out, &spec, &answer);
	assert_int_equal(plane_run(p, &answer, &to_client), nat_lab_sent(p));
	to_client.l3 = answer.l3, to_client.l4 = answer.l4;
	make_error(&to_client, c, router, &error);
	assert_int_equal(plane_run(p, &error, &done), nat_lab_sent(p));
	done.l3 = error.l3, done.l4 = error.l4;
	nat_lab_tuple(&done, c->v6, &t);
	assert_memory_equal(done.bytes, backend_link, 12);
	assert_true(nat_lab_is(&t.dst, c->v6 ? NAT_BACKEND_6 : NAT_BACKEND_4));
	assert_true(nat_lab_is(&t.src, c->routed ? router : c->v6 ? NAT_EDGE_6 : NAT_EDGE_4));
	check_error(&done, c, &answer);
}

/* Every checksum that is quoted, and with it every one that the error has; UDP's 0 stays none. */
static void test_error_sums(struct plane *p, const void *row)
{
	const struct error_case c = { .proto = PROTO_UDP };
	const uint32_t step = getenv("SLUICE_SLOWER") ? 61 : 1;
	struct packet_spec spec = nat_lab_spec(false, PROTO_UDP, 4000);
	struct packet in, out, error, done;
	uint32_t i, at;
	bool none;

	(void)row;
	nat_lab_open(p, false);
	nat_lab_build(&spec, &in);
	assert_int_equal(plane_run(p, &in, &out), nat_lab_sent(p));
	out.l3 = in.l3, out.l4 = in.l4;
	make_error(&out, &c, "203.0.113.1", &error);
	at = error.l4 + 8 + 20 + 6;
	for (i = 0; i < 65536; i += step) {
		error.bytes[at] = (uint8_t)(i >> 8);
		error.bytes[at + 1] = (uint8_t)i;
		nat_lab_fill_sums(&error, false, PROTO_ICMP);
		if (plane_run(p, &error, &done) != nat_lab_sent(p) ||
		    !nat_lab_sums_up(&done, false, PROTO_ICMP))
			fail_msg("checksum %#x", i);
		none = !done.bytes[at] && !done.bytes[at + 1];
		if (none != (i == 0))
			fail_msg("checksum %#x", i);
	}
}

/* What a SYN and its SYN-ACK offer, and what becomes of it where so much fits to the backend. */
struct offer {
	const char *sentence;
	bool v6;
	uint16_t fits, syn, syn_ack; /* 0: no limit, no offer */
	uint16_t syn_after, syn_ack_after;
};

static const struct offer offers[] = {
	{ "both offers of a segment size over IPv4 are lowered", false, 1400, 1460, 1460, 1400,
	  1400 },
	{ "both offers of a segment size over IPv6 are lowered", true, 1380, 1440, 8940, 1380,
	  1380 },
	{ "offers that fit stay", false, 1400, 536, 1400, 536, 1400 },
	{ "without an offer in a SYN-ACK there is none behind", false, 1400, 1460, 0, 1400, 0 },
	{ "without mss_clamp offers stay", false, 0, 1460, 9000, 1460, 9000 },
};

/* The option behind a NOP, so that it is in two words of the sum, or three NOPs more. */
static void put_offer(struct packet *p, uint16_t mss, bool v6)
{
	const uint8_t option[8] = { 1, 2, 4, (uint8_t)(mss >> 8), (uint8_t)mss, 1, 1, 1 };

	if (mss)
		memcpy(p->bytes + p->l4 + 20, option, sizeof(option));
	else
		memset(p->bytes + p->l4 + 20, 1, sizeof(option));
	nat_lab_fill_sums(p, v6, PROTO_TCP);
}

static void check_offer(const struct packet *in, const struct packet *out, uint16_t mss, bool v6)
{
	const uint8_t *at = out->bytes + in->l4 + 20;
	struct packet want = *in;

	assert_int_equal(mss ? at[3] << 8 | at[4] : at[0] << 8 | at[1], mss ? mss : 0x0101);
	/* But for the offer nothing is otherwise, checksums included. */
	put_offer(&want, mss, v6);
	check_rest(&want, out, v6, PROTO_TCP);
}

static void test_offer(struct plane *p, const void *row)
{
	const struct offer *o = row;
	struct packet_spec spec = nat_lab_spec(o->v6, PROTO_TCP, 4000);
	struct packet in, out, answer, back;
	uint32_t id = o->v6 ? 2 : 1;
	struct backend b;

	nat_lab_open(p, false);
	assert_int_equal(bpf_map_lookup_elem(plane_map(p, "backends"), &id, &b), 0);
	b.mss = o->fits;
	assert_int_equal(bpf_map_update_elem(plane_map(p, "backends"), &id, &b, BPF_ANY), 0);
	spec.tcp_option_bytes = 8;
	for (spec.tags = 0; spec.tags <= 2; spec.tags++) {
		spec.sport = (uint16_t)(4000 + spec.tags);
		nat_lab_build(&spec, &in);
		put_offer(&in, o->syn, o->v6);
		assert_int_equal(plane_run(p, &in, &out), nat_lab_sent(p));
		check_offer(&in, &out, o->syn_after, o->v6);
		nat_lab_answer(&out, &spec, &answer);
		put_offer(&answer, o->syn_ack, o->v6);
		/* Also the second time. */
		for (int i = 0; i < 2; i++) {
			assert_int_equal(plane_run(p, &answer, &back), nat_lab_sent(p));
			check_offer(&answer, &back, o->syn_ack_after, o->v6);
		}
		/* Data is no offer, whatever is in its options. */
		answer.bytes[answer.l4 + 13] = TCP_ACK_FLAG;
		put_offer(&answer, 9000, o->v6);
		assert_int_equal(plane_run(p, &answer, &back), nat_lab_sent(p));
		check_offer(&answer, &back, 9000, o->v6);
	}
}

int main(void)
{
	plane_case_table(test_shape, shapes, sizeof(shapes[0]), 8);
	plane_case_add("a UDP checksum is right for each of its values, and none stays none",
		       test_all_sums);
	plane_case_add("what begins no flow or has no shape for it is refused", test_refused);
	plane_case_add("options do not hide the transport header", test_options);
	plane_case_table(test_error, errors, sizeof(errors[0]), 6);
	plane_case_add("an error's checksum is right whatever checksum it quotes", test_error_sums);
	plane_case_table(test_offer, offers, sizeof(offers[0]), sizeof(offers) / sizeof(offers[0]));
	return plane_case_run("nat");
}
