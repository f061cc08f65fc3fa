/* SPDX-License-Identifier: BSD-2-Clause */
/* The guard of this host's own listeners: what answers a SYN, and what proves a source. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "guard_lab.h"
#include "lib/proto.h"

#define MS	1000000ULL
#define CLIENT4 "198.51.100.7"
#define CLIENT6 "2001:db8:9::7"

static uint16_t listen_port; /* both families */
static int listen_fd;

static const struct guard always = { .mode = GUARD_ALWAYS };

static const struct guard_place own[] = {
	{ "a SYN to a listener is answered by a cookie, IPv4", "127.0.0.1", "127.0.0.1", 0,
	  GUARD_LAB_MSS_LO4 },
	{ "a SYN to a listener is answered by a cookie, IPv6", "::1", "::1", 0, GUARD_LAB_MSS_LO6 },
	{ "a SYN behind two tags is answered behind two tags", "127.0.0.1", "127.0.0.1", 2,
	  GUARD_LAB_MSS_LO4 },
	{ "a SYN of IPv6 behind a tag is answered behind a tag", "::1", "::1", 1,
	  GUARD_LAB_MSS_LO6 },
};

static void test_own(struct plane *p, const void *row)
{
	const struct guard_place *at = row;
	struct guard_segment syn = guard_lab_syn(at->src, at->dst, listen_port), ack;
	struct packet in, out = { 0 };
	uint32_t cookie;

	guard_lab_set(p, GUARD_OWN, &always);
	syn.spec.tags = at->tags;
	guard_lab_build(&syn, &in);
	assert_true(guard_lab_replied(p, guard_lab_send(p, &syn, &out)));
	guard_lab_check_turned(&in, &out);
	assert_int_equal(guard_lab_get32(out.bytes + out.l4 + 8), GUARD_LAB_ISN + 1);
	assert_int_equal(out.bytes[out.l4 + 14] << 8 | out.bytes[out.l4 + 15], 64240);
	assert_int_equal(guard_lab_get32(out.bytes + out.l4 + 20), 0x02040000U | at->mss);
	/* Without the timestamps of the kernel no other option is offered. */
	for (uint32_t i = 24; i < 40; i++)
		assert_int_equal(out.bytes[out.l4 + i], 1);
	assert_int_equal(guard_lab_count(p, GUARD_OWN, GUARD_COUNT_COOKIE_MADE), 1);
	assert_int_equal(plane_actions(p, STATS_REPLY).packets, 1);

	cookie = guard_lab_get32(out.bytes + out.l4 + 4);
	ack = guard_lab_bare(syn, TCP_ACK_FLAG, GUARD_LAB_ISN + 1, cookie + 0x1000001);
	assert_int_equal(guard_lab_send(p, &ack, NULL), PLANE_DROP);
	ack.seq = GUARD_LAB_ISN + 0x101;
	ack.ack = cookie + 1;
	assert_int_equal(guard_lab_send(p, &ack, NULL), PLANE_DROP);
	assert_int_equal(plane_drops(p, DROP_GUARD_COOKIE).packets, 2);
	assert_int_equal(guard_lab_count(p, GUARD_OWN, GUARD_COUNT_COOKIE_BAD), 2);
	assert_false(plane_is_proven(p, at->src, LIMIT_CLASS_NONE));
	ack.seq = GUARD_LAB_ISN + 1;
	assert_int_equal(guard_lab_send(p, &ack, NULL), PLANE_PASS);
	assert_int_equal(guard_lab_count(p, GUARD_OWN, GUARD_COUNT_COOKIE_OK), 1);
	assert_true(plane_is_proven(p, at->src, LIMIT_CLASS_NONE));
	/* From now on its SYNs are the host's own business. */
	assert_int_equal(guard_lab_send(p, &syn, NULL), PLANE_PASS);
	assert_int_equal(guard_lab_count(p, GUARD_OWN, GUARD_COUNT_PROVEN), 1);
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
	struct guard_segment syn = guard_lab_syn("127.0.0.1", "127.0.0.1", listen_port);
	const struct layout_case *c = row;
	struct packet in, out = { 0 };
	uint8_t answer[40];

	guard_lab_set(p, GUARD_OWN, &g);
	syn.spec.tcp_option_bytes = c->bytes;
	syn.options = c->options;
	*p->now_ns = 0xf427fULL * MS;
	guard_lab_build(&syn, &in);
	assert_true(guard_lab_replied(p, guard_lab_send(p, &syn, &out)));
	guard_lab_check_turned(&in, &out);
	memset(answer, 1, sizeof(answer));
	memcpy(answer, c->answer, c->answer_bytes);
	assert_memory_equal(out.bytes + out.l4 + 20, answer, c->bytes);
}

/* The stamp of a cookie may not be later than the clock that the connection goes on with. */
static void test_stamp_is_past(struct plane *p, const void *row)
{
	struct guard g = { .mode = GUARD_ALWAYS, .options = GUARD_OPTIONS | 9 };
	struct guard_segment syn = guard_lab_syn("127.0.0.1", "127.0.0.1", listen_port);
	struct packet out = { 0 };

	(void)row;
	guard_lab_set(p, GUARD_OWN, &g);
	*p->now_ns = 0xf4241ULL * MS;
	assert_true(guard_lab_replied(p, guard_lab_send(p, &syn, &out)));
	assert_int_equal(guard_lab_get32(out.bytes + out.l4 + 28), 0xf4200 | 0x17);
}

static void test_not_ours(struct plane *p, const void *row)
{
	struct guard_segment syn = guard_lab_syn("127.0.0.1", "127.0.0.1", listen_port);
	struct guard_segment closed = guard_lab_syn("127.0.0.1", "127.0.0.1", 1);
	struct guard_segment away = guard_lab_syn(CLIENT4, "203.0.113.1", listen_port);

	(void)row;
	guard_lab_set(p, GUARD_OWN, &always);
	assert_int_equal(guard_lab_send(p, &closed, NULL), PLANE_PASS);
	assert_int_equal(guard_lab_send(p, &away, NULL), PLANE_PASS);
	away = guard_lab_bare(away, TCP_ACK_FLAG, 1, 1);
	assert_int_equal(guard_lab_send(p, &away, NULL), PLANE_PASS);
	away = guard_lab_syn(CLIENT6, "2001:db8:77::1", listen_port);
	assert_int_equal(guard_lab_send(p, &away, NULL), PLANE_PASS);
	away = guard_lab_bare(away, TCP_ACK_FLAG, 1, 1);
	assert_int_equal(guard_lab_send(p, &away, NULL), PLANE_PASS);
	syn.spec.payload_bytes = 10;
	assert_int_equal(guard_lab_send(p, &syn, NULL), PLANE_PASS);
	syn.spec.payload_bytes = 0;
	syn.spec.option_bytes = 4;
	assert_int_equal(guard_lab_send(p, &syn, NULL), PLANE_PASS);
	syn.spec.option_bytes = 0;
	syn.spec.frag_more = true;
	assert_int_equal(guard_lab_send(p, &syn, NULL), PLANE_PASS);
	assert_int_equal(guard_lab_count(p, GUARD_OWN, GUARD_COUNT_HOST), 6);
	/* An acknowledgement to nobody, a reset, a SYN-ACK: the host's. */
	closed = guard_lab_bare(closed, TCP_ACK_FLAG, 1, 1);
	assert_int_equal(guard_lab_send(p, &closed, NULL), PLANE_PASS);
	syn = guard_lab_bare(guard_lab_syn("127.0.0.1", "127.0.0.1", listen_port), TCP_RST, 1, 1);
	assert_int_equal(guard_lab_send(p, &syn, NULL), PLANE_PASS);
	syn.spec.tcp_flags = TCP_SYN_FLAG | TCP_ACK_FLAG;
	assert_int_equal(guard_lab_send(p, &syn, NULL), PLANE_PASS);
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
	struct guard_segment ack = guard_lab_bare(
		guard_lab_syn("127.0.0.1", "127.0.0.1", listen_port), TCP_ACK_FLAG, 5, 5);
	int fd = socket(AF_INET, SOCK_STREAM, 0), accepted;

	(void)row;
	guard_lab_set(p, GUARD_OWN, &always);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	/* Its last ACK may be under way until here: no connection yet, for the listener. */
	accepted = accept(listen_fd, NULL, NULL);
	assert_true(accepted >= 0);
	assert_true(guard_lab_replied(
		p, plane_run_spec(p, &(struct packet_spec) { .src = "127.0.0.1",
							     .dst = "127.0.0.1",
							     .proto = PROTO_TCP,
							     .sport = 2,
							     .dport = listen_port,
							     .tcp_flags = TCP_SYN_FLAG })));
	ack.spec.sport = port_of(fd);
	assert_int_equal(guard_lab_send(p, &ack, NULL), PLANE_PASS);
	ack.spec.sport ^= 1;
	assert_int_equal(guard_lab_send(p, &ack, NULL), PLANE_DROP);
	close(accepted);
	close(fd);
}

#define TABLE(fn, rows) \
	plane_case_table(fn, rows, sizeof((rows)[0]), sizeof(rows) / sizeof((rows)[0]))

int main(void)
{
	listen_fd = guard_lab_open(&listen_port);
	TABLE(test_own, own);
	TABLE(test_layout, layouts);
	plane_case_add("the stamp of a cookie is not in the future", test_stamp_is_past);
	plane_case_add("what is for no listener, or not answerable, is the host's", test_not_ours);
	plane_case_add("connections that are there go on", test_established);
	return plane_case_run("guard");
}
