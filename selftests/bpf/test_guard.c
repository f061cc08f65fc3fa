/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guard: what answers a SYN, what proves a source, when it is on. In a network namespace of its
 * own, with listeners of its own: their cookies are the kernel's.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "lib/proto.h"
#include "plane_case.h"
#include "sluice/abi/guard.h"
#include "sluice/algo/csum.h"

#define MS	1000000ULL
#define VIP	1
#define VIP2	2
#define VIP4	"192.0.2.10"
#define VIP6	"2001:db8::10"
#define CLIENT4 "198.51.100.7"
#define CLIENT6 "2001:db8:9::7"
#define ISN	0x01020304U
#define MSS_LO4 \
	65495 /* what the longest packet takes, less headers: the loopback's MTU is larger */
#define MSS_LO6 65475

static uint16_t listen_port; /* both families */
static int listen_fd;

static const struct guard always = { .mode = GUARD_ALWAYS };
static const struct guard plain = { .mode = GUARD_ALWAYS, .reset = GUARD_PLAIN };

static void guard_set(struct plane *p, uint32_t id, const struct guard *g)
{
	assert_int_equal(bpf_map_update_elem(plane_map(p, "guards"), &id, g, BPF_ANY), 0);
}

static struct guard guard_get(struct plane *p, uint32_t id)
{
	struct guard g;

	assert_int_equal(bpf_map_lookup_elem(plane_map(p, "guards"), &id, &g), 0);
	return g;
}

static uint64_t counted(struct plane *p, uint32_t id, enum guard_count what)
{
	struct stats_guard s;

	plane_sum(p, "stats_guard", id, &s, sizeof(s));
	return s.packets[what];
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put32(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 24);
	at[1] = (uint8_t)(value >> 16);
	at[2] = (uint8_t)(value >> 8);
	at[3] = (uint8_t)value;
}

/* The sum over pseudo-header and segment: 0 of a segment whose checksum is right. */
static __sum16 tcp_sum(const struct packet *p)
{
	bool v6 = p->bytes[p->l3] >> 4 == 6;
	uint32_t ip_bytes = v6 ? 40u + (p->bytes[p->l3 + 4] << 8 | p->bytes[p->l3 + 5])
			       : (uint32_t)(p->bytes[p->l3 + 2] << 8 | p->bytes[p->l3 + 3]);
	uint32_t bytes = ip_bytes - (p->l4 - p->l3);
	uint64_t sum = v6 ? csum_add_bytes(0, p->bytes + p->l3 + 8, 32)
			  : csum_add_bytes(0, p->bytes + p->l3 + 12, 8);

	sum += htons(PROTO_TCP) + (uint64_t)htons((uint16_t)bytes);
	return csum_fold(csum_add_bytes(sum, p->bytes + p->l4, bytes));
}

struct segment {
	struct packet_spec spec;
	uint32_t seq, ack;
	const uint8_t *options;
};

static void segment_build(const struct segment *s, struct packet *ret)
{
	__sum16 sum;

	packet_build(&s->spec, ret);
	put32(ret->bytes + ret->l4 + 4, s->seq);
	put32(ret->bytes + ret->l4 + 8, s->ack);
	if (s->options)
		memcpy(ret->bytes + ret->l4 + 20, s->options, s->spec.tcp_option_bytes);
	if (ret->l4 == ret->l3 + 20 || ret->l4 == ret->l3 + 40) {
		sum = tcp_sum(ret);
		memcpy(ret->bytes + ret->l4 + 16, &sum, 2);
	}
}

static enum plane_action send_segment(struct plane *p, const struct segment *s, struct packet *out)
{
	struct packet in;

	segment_build(s, &in);
	if (out) {
		out->l3 = in.l3;
		out->l4 = in.l4;
	}
	return plane_run(p, &in, out);
}

static bool replied(const struct plane *p, enum plane_action action)
{
	return action == (p->hook == PLANE_XDP ? PLANE_TX : PLANE_REDIRECT);
}

/* Linux: MSS 1460, SACK, timestamps, scale 7. */
static const uint8_t linux_options[] = { 2,    4,    5, 0xb4, 4, 2, 8, 10, 0xaa, 0xbb,
					 0xcc, 0xdd, 0, 0,    0, 0, 1, 3,  3,	 7 };

static struct segment syn_of(const char *src, const char *dst, uint16_t dport)
{
	return (struct segment) { .spec = { .src = src,
					    .dst = dst,
					    .proto = PROTO_TCP,
					    .sport = 40000,
					    .dport = dport,
					    .tcp_flags = TCP_SYN_FLAG,
					    .tcp_option_bytes = sizeof(linux_options) },
				  .seq = ISN,
				  .options = linux_options };
}

static struct segment bare(struct segment s, uint8_t flags, uint32_t seq, uint32_t ack)
{
	s.spec.tcp_flags = flags;
	s.spec.tcp_option_bytes = 0;
	s.options = NULL;
	s.seq = seq;
	s.ack = ack;
	return s;
}

/* A frame turned around: the fields that every answer has. */
static void check_turned(const struct packet *in, const struct packet *out)
{
	const uint8_t *a = in->bytes, *b = out->bytes;
	bool v6 = a[in->l3] >> 4 == 6;
	uint32_t addr = v6 ? 8 : 12, bytes = v6 ? 16 : 4;

	assert_int_equal(out->len, in->len);
	assert_memory_equal(b, a + 6, 6);
	assert_memory_equal(b + 6, a, 6);
	assert_memory_equal(b + 12, a + 12, in->l3 - 12);
	assert_memory_equal(b + in->l3 + addr, a + in->l3 + addr + bytes, bytes);
	assert_memory_equal(b + in->l3 + addr + bytes, a + in->l3 + addr, bytes);
	assert_memory_equal(b + in->l4, a + in->l4 + 2, 2);
	assert_memory_equal(b + in->l4 + 2, a + in->l4, 2);
	assert_int_equal(b[in->l4 + 12], a[in->l4 + 12] & 0xf0);
	assert_int_equal(b[in->l4 + 13], TCP_SYN_FLAG | TCP_ACK_FLAG);
	assert_int_equal(b[in->l4 + 18] | b[in->l4 + 19], 0);
	assert_int_equal(b[in->l3 + (v6 ? 7 : 8)], 64);
	assert_int_equal(tcp_sum(out), 0);
	if (!v6) {
		assert_int_equal(csum_fold(csum_add_bytes(0, b + in->l3, 20)), 0);
		assert_memory_equal(b + in->l3 + 2, a + in->l3 + 2, 2);
	}
}

struct place {
	const char *sentence;
	const char *src, *dst;
	uint32_t tags;
	uint16_t mss;
};

static const struct place own[] = {
	{ "a SYN to a listener is answered by a cookie, IPv4", "127.0.0.1", "127.0.0.1", 0,
	  MSS_LO4 },
	{ "a SYN to a listener is answered by a cookie, IPv6", "::1", "::1", 0, MSS_LO6 },
	{ "a SYN behind two tags is answered behind two tags", "127.0.0.1", "127.0.0.1", 2,
	  MSS_LO4 },
	{ "a SYN of IPv6 behind a tag is answered behind a tag", "::1", "::1", 1, MSS_LO6 },
};

static void test_own(struct plane *p, const void *row)
{
	const struct place *at = row;
	struct segment syn = syn_of(at->src, at->dst, listen_port), ack;
	struct packet in, out = { 0 };
	uint32_t cookie;

	guard_set(p, GUARD_OWN, &always);
	syn.spec.tags = at->tags;
	segment_build(&syn, &in);
	assert_true(replied(p, send_segment(p, &syn, &out)));
	check_turned(&in, &out);
	assert_int_equal(get32(out.bytes + out.l4 + 8), ISN + 1);
	assert_int_equal(out.bytes[out.l4 + 14] << 8 | out.bytes[out.l4 + 15], 64240);
	assert_int_equal(get32(out.bytes + out.l4 + 20), 0x02040000U | at->mss);
	/* Without the timestamps of the kernel no other option is offered. */
	for (uint32_t i = 24; i < 40; i++)
		assert_int_equal(out.bytes[out.l4 + i], 1);
	assert_int_equal(counted(p, GUARD_OWN, GUARD_COUNT_COOKIE_MADE), 1);
	assert_int_equal(plane_actions(p, STATS_REPLY).packets, 1);

	cookie = get32(out.bytes + out.l4 + 4);
	ack = bare(syn, TCP_ACK_FLAG, ISN + 1, cookie + 0x1000001);
	assert_int_equal(send_segment(p, &ack, NULL), PLANE_DROP);
	ack.seq = ISN + 0x101;
	ack.ack = cookie + 1;
	assert_int_equal(send_segment(p, &ack, NULL), PLANE_DROP);
	assert_int_equal(plane_drops(p, DROP_GUARD_COOKIE).packets, 2);
	assert_int_equal(counted(p, GUARD_OWN, GUARD_COUNT_COOKIE_BAD), 2);
	assert_false(plane_is_proven(p, at->src, LIMIT_CLASS_NONE));
	ack.seq = ISN + 1;
	assert_int_equal(send_segment(p, &ack, NULL), PLANE_PASS);
	assert_int_equal(counted(p, GUARD_OWN, GUARD_COUNT_COOKIE_OK), 1);
	assert_true(plane_is_proven(p, at->src, LIMIT_CLASS_NONE));
	/* From now on its SYNs are the host's own business. */
	assert_int_equal(send_segment(p, &syn, NULL), PLANE_PASS);
	assert_int_equal(counted(p, GUARD_OWN, GUARD_COUNT_PROVEN), 1);
}

struct layout_case {
	const char *sentence;
	uint32_t bytes;
	uint8_t options[40];
	uint32_t answer_bytes; /* of `answer`; behind it is padding */
	uint8_t answer[40];
};

#define MSS4 2, 4, 0xff, 0xd7

/* At 0xf427f ms: the last of 64 that have the same high bits. */
static const struct layout_case layouts[] = {
	{ "Linux's options are answered by theirs",
	  20,
	  { 2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7 },
	  20,
	  { MSS4, 4, 2, 8, 10, 0, 0x0f, 0x42, 0x57, 1, 2, 3, 4, 1, 3, 3, 9 } },
	{ "Windows' options, without timestamps, are answered by the MSS",
	  12,
	  { 2, 4, 5, 0xb4, 1, 3, 3, 8, 1, 1, 4, 2 },
	  4,
	  { MSS4 } },
	{ "BSD's order of options is understood",
	  20,
	  { 2, 4, 5, 0xb4, 1, 3, 3, 6, 4, 2, 8, 10, 9, 8, 7, 6, 0, 0, 0, 0 },
	  20,
	  { MSS4, 4, 2, 8, 10, 0, 0x0f, 0x42, 0x56, 9, 8, 7, 6, 1, 3, 3, 9 } },
	{ "timestamps without a scale say so",
	  16,
	  { 2, 4, 5, 0xb4, 1, 1, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0 },
	  16,
	  { MSS4, 1, 1, 8, 10, 0, 0x0f, 0x42, 0x4f, 1, 2, 3, 4 } },
	{ "a scale over 14 is taken for 14",
	  20,
	  { 2, 4, 5, 0xb4, 1, 3, 3, 99, 1, 1, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0 },
	  20,
	  { MSS4, 1, 1, 8, 10, 0, 0x0f, 0x42, 0x4e, 1, 2, 3, 4, 1, 3, 3, 9 } },
	{ "no options are answered by none", 0, { 0 }, 0, { 0 } },
	{ "no MSS is answered by no option",
	  12,
	  { 1, 1, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0 },
	  0,
	  { 0 } },
	{ "an option of no length ends them", 8, { 2, 0, 5, 0xb4, 2, 4, 5, 0xb4 }, 0, { 0 } },
	{ "an option that is longer than the header ends them", 4, { 8, 10, 0, 0 }, 0, { 0 } },
	{ "what follows the end of options is none", 8, { 0, 0, 0, 0, 2, 4, 5, 0xb4 }, 0, { 0 } },
	{ "an option cut by the header's end ends them", 4, { 1, 1, 1, 2 }, 0, { 0 } },
};

static void test_layout(struct plane *p, const void *row)
{
	struct guard g = { .mode = GUARD_ALWAYS, .options = GUARD_OPTIONS | 9 };
	struct segment syn = syn_of("127.0.0.1", "127.0.0.1", listen_port);
	const struct layout_case *c = row;
	struct packet in, out = { 0 };
	uint8_t answer[40];

	guard_set(p, GUARD_OWN, &g);
	syn.spec.tcp_option_bytes = c->bytes;
	syn.options = c->options;
	*p->now_ns = 0xf427fULL * MS;
	segment_build(&syn, &in);
	assert_true(replied(p, send_segment(p, &syn, &out)));
	check_turned(&in, &out);
	memset(answer, 1, sizeof(answer));
	memcpy(answer, c->answer, c->answer_bytes);
	assert_memory_equal(out.bytes + out.l4 + 20, answer, c->bytes);
}

/* The stamp of a cookie may not be later than the clock that the connection goes on with. */
static void test_stamp_is_past(struct plane *p, const void *row)
{
	struct guard g = { .mode = GUARD_ALWAYS, .options = GUARD_OPTIONS | 9 };
	struct segment syn = syn_of("127.0.0.1", "127.0.0.1", listen_port);
	struct packet out = { 0 };

	(void)row;
	guard_set(p, GUARD_OWN, &g);
	*p->now_ns = 0xf4241ULL * MS;
	assert_true(replied(p, send_segment(p, &syn, &out)));
	assert_int_equal(get32(out.bytes + out.l4 + 28), 0xf4200 | 0x17);
}

static void test_not_ours(struct plane *p, const void *row)
{
	struct segment syn = syn_of("127.0.0.1", "127.0.0.1", listen_port);
	struct segment closed = syn_of("127.0.0.1", "127.0.0.1", 1);
	struct segment away = syn_of(CLIENT4, "203.0.113.1", listen_port);

	(void)row;
	guard_set(p, GUARD_OWN, &always);
	assert_int_equal(send_segment(p, &closed, NULL), PLANE_PASS);
	assert_int_equal(send_segment(p, &away, NULL), PLANE_PASS);
	away = bare(away, TCP_ACK_FLAG, 1, 1);
	assert_int_equal(send_segment(p, &away, NULL), PLANE_PASS);
	away = syn_of(CLIENT6, "2001:db8:77::1", listen_port);
	assert_int_equal(send_segment(p, &away, NULL), PLANE_PASS);
	away = bare(away, TCP_ACK_FLAG, 1, 1);
	assert_int_equal(send_segment(p, &away, NULL), PLANE_PASS);
	syn.spec.payload_bytes = 10;
	assert_int_equal(send_segment(p, &syn, NULL), PLANE_PASS);
	syn.spec.payload_bytes = 0;
	syn.spec.option_bytes = 4;
	assert_int_equal(send_segment(p, &syn, NULL), PLANE_PASS);
	syn.spec.option_bytes = 0;
	syn.spec.frag_more = true;
	assert_int_equal(send_segment(p, &syn, NULL), PLANE_PASS);
	assert_int_equal(counted(p, GUARD_OWN, GUARD_COUNT_HOST), 6);
	/* An acknowledgement to nobody, a reset, a SYN-ACK: the host's. */
	closed = bare(closed, TCP_ACK_FLAG, 1, 1);
	assert_int_equal(send_segment(p, &closed, NULL), PLANE_PASS);
	syn = bare(syn_of("127.0.0.1", "127.0.0.1", listen_port), TCP_RST, 1, 1);
	assert_int_equal(send_segment(p, &syn, NULL), PLANE_PASS);
	syn.spec.tcp_flags = TCP_SYN_FLAG | TCP_ACK_FLAG;
	assert_int_equal(send_segment(p, &syn, NULL), PLANE_PASS);
	assert_int_equal(plane_actions(p, STATS_DROP).packets, 0);
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in6 a;
	socklen_t len = sizeof(a);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	return ntohs(a.sin6_port);
}

static void test_established(struct plane *p, const void *row)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(0x7f000001),
				 .sin_port = htons(listen_port) };
	struct segment ack =
		bare(syn_of("127.0.0.1", "127.0.0.1", listen_port), TCP_ACK_FLAG, 5, 5);
	int fd = socket(AF_INET, SOCK_STREAM, 0), accepted;

	(void)row;
	guard_set(p, GUARD_OWN, &always);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	/* Its last ACK may be under way until here: no connection yet, for the listener. */
	accepted = accept(listen_fd, NULL, NULL);
	assert_true(accepted >= 0);
	assert_true(
		replied(p, plane_run_spec(p, &(struct packet_spec) { .src = "127.0.0.1",
								     .dst = "127.0.0.1",
								     .proto = PROTO_TCP,
								     .sport = 2,
								     .dport = listen_port,
								     .tcp_flags = TCP_SYN_FLAG })));
	ack.spec.sport = port_of(fd);
	assert_int_equal(send_segment(p, &ack, NULL), PLANE_PASS);
	ack.spec.sport ^= 1;
	assert_int_equal(send_segment(p, &ack, NULL), PLANE_DROP);
	close(accepted);
	close(fd);
}

static void open_vips(struct plane *p)
{
	plane_vip(p, VIP, VIP4, 80, PROTO_TCP, 0);
	plane_vip(p, VIP, VIP6, 80, PROTO_TCP, 0);
	plane_vip(p, VIP2, "192.0.2.11", 80, PROTO_TCP, 0);
	/* What a fragment meets: the record of port 0. */
	plane_vip(p, VIP, VIP4, 0, PROTO_TCP, 0);
	plane_backend(p, 1, PLANE_ELSEWHERE, 1500);
	plane_ring(p, VIP, 1, 1);
	plane_ring(p, VIP2, 1, 1);
}

static const struct place vips[] = {
	{ "the source of a SYN to a vip is checked, IPv4", CLIENT4, VIP4, 0, MSS_LO4 },
	{ "the source of a SYN to a vip is checked, IPv6", CLIENT6, VIP6, 0, MSS_LO6 },
	{ "the source of a SYN behind a tag is checked", CLIENT4, VIP4, 1, MSS_LO4 },
};

static void test_challenge(struct plane *p, const void *row)
{
	const struct place *at = row;
	struct segment syn = syn_of(at->src, at->dst, 80), rst;
	struct packet in, out = { 0 };
	uint32_t asked;

	open_vips(p);
	guard_set(p, VIP, &always);
	syn.spec.tags = at->tags;
	segment_build(&syn, &in);
	assert_true(replied(p, send_segment(p, &syn, &out)));
	check_turned(&in, &out);
	asked = get32(out.bytes + out.l4 + 8);
	/* Not in (ISN, ISN + 1]: the client's stack resets it, by that number. */
	assert_int_not_equal(asked, ISN + 1);
	assert_int_equal(out.bytes[out.l4 + 14] | out.bytes[out.l4 + 15], 0);
	assert_int_equal(get32(out.bytes + out.l4 + 20), 0x02040000U | at->mss);
	assert_int_equal(counted(p, VIP, GUARD_COUNT_CHALLENGE), 1);

	rst = bare(syn, TCP_RST, asked + 0x1000000, 0);
	send_segment(p, &rst, NULL);
	rst = bare(syn, TCP_RST, asked, 0);
	rst.spec.sport ^= 1;
	send_segment(p, &rst, NULL);
	/* Nor is an acknowledgement of that number any proof. */
	rst = bare(syn, TCP_ACK_FLAG, ISN + 1, asked + 1);
	send_segment(p, &rst, NULL);
	assert_false(plane_is_proven(p, at->src, LIMIT_CLASS_NONE));
	assert_true(replied(p, send_segment(p, &syn, NULL)));
	rst = bare(syn, TCP_RST, asked, 0);
	assert_int_equal(send_segment(p, &rst, NULL), PLANE_REDIRECT);
	assert_true(plane_is_proven(p, at->src, LIMIT_CLASS_NONE));
	assert_int_equal(counted(p, VIP, GUARD_COUNT_CHALLENGE_OK), 1);

	out.len = 0;
	assert_int_equal(send_segment(p, &syn, &out), PLANE_REDIRECT);
	/* To the backend, not turned around. */
	assert_memory_equal(out.bytes + in.l4, in.bytes + in.l4, in.len - in.l4);
	assert_int_equal(counted(p, VIP, GUARD_COUNT_PROVEN), 1);
}

static const struct place plains[] = {
	{ "a plain answer proves the source by its acknowledgement, IPv4", CLIENT4, VIP4, 0, 0 },
	{ "a plain answer proves the source by its acknowledgement, IPv6", CLIENT6, VIP6, 0, 0 },
};

static void test_plain(struct plane *p, const void *row)
{
	const struct place *at = row;
	struct segment syn = syn_of(at->src, at->dst, 80), ack;
	struct packet in, out = { 0 };
	uint32_t cookie;

	open_vips(p);
	guard_set(p, VIP, &plain);
	syn.spec.tags = at->tags;
	segment_build(&syn, &in);
	assert_true(replied(p, send_segment(p, &syn, &out)));
	check_turned(&in, &out);
	assert_int_equal(get32(out.bytes + out.l4 + 8), ISN + 1);
	cookie = get32(out.bytes + out.l4 + 4);
	ack = bare(syn, TCP_ACK_FLAG, ISN + 1, cookie + 0x1000001);
	assert_int_equal(send_segment(p, &ack, NULL), PLANE_REDIRECT);
	ack = bare(syn, TCP_RST, cookie, 0);
	send_segment(p, &ack, NULL);
	assert_false(plane_is_proven(p, at->src, LIMIT_CLASS_NONE));
	ack = bare(syn, TCP_ACK_FLAG, ISN + 1, cookie + 1);
	assert_int_equal(send_segment(p, &ack, NULL), PLANE_REDIRECT);
	assert_true(plane_is_proven(p, at->src, LIMIT_CLASS_NONE));
}

struct untouched {
	const char *sentence;
	struct packet_spec spec;
	enum plane_action action;
	enum drop_reason reason;
};

#define TO_VIP .src = CLIENT4, .dst = VIP4, .proto = PROTO_TCP, .sport = 40000, .dport = 80
#define SYN    .tcp_flags = TCP_SYN_FLAG

static const struct packet_spec quoted = { .src = VIP4,
					   .dst = CLIENT4,
					   .proto = PROTO_TCP,
					   .sport = 80,
					   .dport = 40000,
					   .tcp_flags = TCP_SYN_FLAG };

static const struct untouched others[] = {
	{ "a SYN with data to a guarded vip is dropped",
	  { TO_VIP, SYN, .payload_bytes = 10 },
	  PLANE_DROP,
	  DROP_GUARD_SYN },
	{ "a SYN behind IP options to a guarded vip is dropped",
	  { TO_VIP, SYN, .option_bytes = 8 },
	  PLANE_DROP,
	  DROP_GUARD_SYN },
	{ "a SYN in a first fragment to a guarded vip is dropped",
	  { TO_VIP, SYN, .frag_more = true },
	  PLANE_DROP,
	  DROP_GUARD_SYN },
	{ "a SYN with FIN to a guarded vip is dropped",
	  { TO_VIP, .tcp_flags = TCP_SYN_FLAG | TCP_FIN },
	  PLANE_DROP,
	  DROP_GUARD_SYN },
	{ "a later fragment is not touched",
	  { TO_VIP, .frag_offset = 9, .payload_bytes = 16 },
	  PLANE_REDIRECT,
	  DROP_NONE },
	{ "an acknowledgement to a vip is not touched",
	  { TO_VIP, .tcp_flags = TCP_ACK_FLAG, .payload_bytes = 99 },
	  PLANE_REDIRECT,
	  DROP_NONE },
	{ "an ICMP error about a guarded vip is not touched",
	  { .src = "203.0.113.5",
	    .dst = VIP4,
	    .proto = PROTO_ICMP,
	    .icmp_type = 3,
	    .quoted = &quoted,
	    .quoted_l4_bytes = 20 },
	  PLANE_REDIRECT,
	  DROP_NONE },
	{ "a ping is not touched",
	  { .src = CLIENT4, .dst = VIP4, .proto = PROTO_ICMP, .icmp_type = 8 },
	  PLANE_PASS,
	  DROP_NONE },
	{ "UDP is not touched",
	  { .src = CLIENT4, .dst = VIP4, .proto = PROTO_UDP, .dport = 80 },
	  PLANE_PASS,
	  DROP_NONE },
	{ "a SYN to a vip without guard is not touched",
	  { .src = CLIENT4, .dst = "192.0.2.11", .proto = PROTO_TCP, .dport = 80, SYN },
	  PLANE_REDIRECT,
	  DROP_NONE },
};

static void test_other(struct plane *p, const void *row)
{
	const struct untouched *c = row;
	struct segment syn = syn_of("203.0.113.77", VIP4, 80);
	struct packet in, out = { 0 };

	open_vips(p);
	guard_set(p, VIP, &always);
	/* So that the program knows that a guard is on. */
	assert_true(replied(p, send_segment(p, &syn, NULL)));
	packet_build(&c->spec, &in);
	assert_int_equal(plane_run(p, &in, &out), c->action);
	if (c->reason != DROP_NONE)
		assert_int_equal(plane_drops(p, c->reason).packets, 1);
	else
		assert_memory_equal(out.bytes + in.l3, in.bytes + in.l3, in.len - in.l3);
}

static void test_exempt(struct plane *p, const void *row)
{
	struct segment syn = syn_of(CLIENT4, VIP4, 80);

	(void)row;
	open_vips(p);
	guard_set(p, VIP, &always);
	plane_acl(p, SOURCE_LIST_ALLOW, CLIENT4, 32);
	assert_int_equal(send_segment(p, &syn, NULL), PLANE_REDIRECT);
	assert_int_equal(counted(p, VIP, GUARD_COUNT_CHALLENGE), 0);
	plane_acl_remove(p, SOURCE_LIST_ALLOW, CLIENT4, 32);
	plane_prove(p, CLIENT4, LIMIT_CLASS_NONE);
	assert_int_equal(send_segment(p, &syn, NULL), PLANE_REDIRECT);
	assert_int_equal(counted(p, VIP, GUARD_COUNT_PROVEN), 1);
}

/* How many of n SYNs, evenly over a second, were answered. */
static uint32_t syns_of_a_second(struct plane *p, const char *vip, uint32_t n)
{
	struct segment syn = syn_of(CLIENT4, vip, 80);
	uint32_t answered = 0, i;

	for (i = 0; i < n; i++) {
		uint64_t before = counted(p, VIP, GUARD_COUNT_CHALLENGE);

		send_segment(p, &syn, NULL);
		answered += counted(p, VIP, GUARD_COUNT_CHALLENGE) > before;
		*p->now_ns += PLANE_SECOND / n;
	}
	return answered;
}

static void test_hysteresis(struct plane *p, const void *row)
{
	struct guard g = {
		.mode = GUARD_AUTO, .on_per_s = 100, .off_per_s = 50, .hold_ns = 5 * PLANE_SECOND
	};
	uint32_t i;

	(void)row;
	open_vips(p);
	guard_set(p, VIP, &g);
	for (i = 0; i < 10; i++)
		assert_int_equal(syns_of_a_second(p, VIP4, 90), 0);
	assert_int_equal(guard_get(p, VIP).turns, 0);
	/* The 100th of a second, one that begins with the first, is the first to be answered. */
	*p->now_ns += PLANE_SECOND;
	assert_int_equal(syns_of_a_second(p, VIP4, 200), 101);
	assert_int_equal(guard_get(p, VIP).turns, 1);
	/* Between the two it stays on, however long. */
	for (i = 0; i < 20; i++)
		assert_int_equal(syns_of_a_second(p, VIP4, 60), 60);
	/* Below both, for as long as it holds on. */
	for (i = 0; i < 4; i++)
		assert_int_equal(syns_of_a_second(p, VIP4, 40), 40);
	for (i = 0; i < 2; i++)
		syns_of_a_second(p, VIP4, 40);
	for (i = 0; i < 10; i++)
		assert_int_equal(syns_of_a_second(p, VIP4, 90), 0);
	assert_int_equal(guard_get(p, VIP).turns, 1);
	*p->now_ns += PLANE_SECOND;
	assert_int_equal(syns_of_a_second(p, VIP4, 200), 101);
	assert_int_equal(guard_get(p, VIP).turns, 2);
	/* Without a single packet it ends as well. */
	*p->now_ns += 6 * PLANE_SECOND;
	assert_int_equal(syns_of_a_second(p, VIP4, 90), 0);
}

static void test_per_vip(struct plane *p, const void *row)
{
	struct guard g = {
		.mode = GUARD_AUTO, .on_per_s = 10, .off_per_s = 5, .hold_ns = 5 * PLANE_SECOND
	};

	(void)row;
	open_vips(p);
	guard_set(p, VIP, &g);
	guard_set(p, VIP2, &g);
	guard_set(p, GUARD_OWN, &g);
	assert_int_equal(syns_of_a_second(p, "192.0.2.11", 9), 0);
	assert_true(syns_of_a_second(p, VIP4, 100) > 80);
	assert_int_equal(guard_get(p, VIP).turns, 1);
	assert_int_equal(guard_get(p, VIP2).turns, 0);
	assert_int_equal(guard_get(p, GUARD_OWN).syns, 0);
	guard_set(p, VIP, &(struct guard) { .mode = GUARD_OFF });
	assert_int_equal(syns_of_a_second(p, VIP4, 100), 0);
}

static void write_setting(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, value, strlen(value)) < 0) {
		perror(path);
		_exit(1);
	}
	close(fd);
}

/* Fails the process: there is no test to run without. */
static void open_world(void)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6 };
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	socklen_t len = sizeof(a);
	int fd;

	if (unshare(CLONE_NEWNET)) {
		perror("unshare");
		_exit(1);
	}
	fd = socket(AF_INET6, SOCK_STREAM, 0);
	if (ioctl(fd, SIOCSIFFLAGS, &lo)) {
		perror("lo");
		_exit(1);
	}
	write_setting("/proc/sys/net/ipv4/tcp_syncookies", "2");
	/* A router: of what passes through, a listener at the wildcard address must get nothing. */
	write_setting("/proc/sys/net/ipv4/ip_forward", "1");
	write_setting("/proc/sys/net/ipv6/conf/all/forwarding", "1");
	if (system("ip route add 203.0.113.0/24 dev lo") ||
	    system("ip -6 route add 2001:db8:77::/48 dev lo")) {
		perror("ip route");
		_exit(1);
	}
	if (bind(fd, (struct sockaddr *)&a, len) || listen(fd, 64) ||
	    getsockname(fd, (struct sockaddr *)&a, &len)) {
		perror("listen");
		_exit(1);
	}
	listen_port = ntohs(a.sin6_port);
	listen_fd = fd;
}

#define TABLE(fn, rows) \
	plane_case_table(fn, rows, sizeof((rows)[0]), sizeof(rows) / sizeof((rows)[0]))

int main(void)
{
	open_world();
	TABLE(test_own, own);
	TABLE(test_layout, layouts);
	plane_case_add("the stamp of a cookie is not in the future", test_stamp_is_past);
	plane_case_add("what is for no listener, or not answerable, is the host's", test_not_ours);
	plane_case_add("connections that are there go on", test_established);
	TABLE(test_challenge, vips);
	TABLE(test_plain, plains);
	TABLE(test_other, others);
	plane_case_add("allowed and proven sources are left alone", test_exempt);
	plane_case_add("the rate of SYNs turns it on, and off with hysteresis", test_hysteresis);
	plane_case_add("each vip has a guard of its own", test_per_vip);
	return plane_case_run("guard");
}
