/* SPDX-License-Identifier: BSD-2-Clause */
#include "frame.h"

#include <endian.h>
#include <stdbool.h>
#include <string.h>

#define ETHER_TYPE_AT 12
#define PROTO_AT      23
#define TCP_AT	      34
#define SEQUENCE_AT   (TCP_AT + 4)
#define ACKNOWLEDGE   (TCP_AT + 8)
#define OFFSET_AT     (TCP_AT + 12)
#define FLAGS_AT      (TCP_AT + 13)
#define OPTIONS_AT    (TCP_AT + 20)
#define ADDRESS_END   34 /* of the IPv4 address that it is to */
#define V6_END	      54
#define ICMP_AT	      34
#define V6_ICMP_AT    54
#define V6_FLAGS_AT   (V6_END + 13)
#define ERROR_BYTES   (ICMP_AT + 8 + 20 + 8) /* at least so much is quoted */
#define V6_ERROR      (V6_ICMP_AT + 8 + 40 + 8)
#define SYN_BYTES     80
#define NUMBER	      0x01020304U /* the client's first */

/* ACK, 198.51.100.7:4000 to 192.0.2.10:80. */
static const uint8_t ack[60] = {
	0x02, 0,    0,	  0,	0,    1,    0x02, 0,  0,  0, 0, 2, 0x08, 0x00, /* link */
	0x45, 0,    0,	  40,	0x12, 0x34, 0x40, 0,  64, 6, 0, 0,	       /* IPv4 */
	198,  51,   100,  7,	192,  0,    2,	  10,			       /* addresses */
	0x0f, 0xa0, 0,	  80,	0,    0,    0,	  1,  0,  0, 0, 1,	       /* ports, numbers */
	0x50, 0x10, 0xff, 0xff, 0,    0,    0,	  0,
};

/* The same from 2001:db8:1::7 to 2001:db8::a. */
static const uint8_t v6[74] = {
	0x02, 0,    0,	  0,	0,    1,  0x02, 0,  0, 0, 0, 2, 0x86, 0xdd, /* link */
	0x60, 0,    0,	  0,	0,    20, 6,	64,			    /* IPv6 */
	0x20, 1,    0x0d, 0xb8, 0,    1,  0,	0,  0, 0, 0, 0, 0,    0,    0,
	7,    0x20, 1,	  0x0d, 0xb8, 0,  0,	0,  0, 0, 0, 0, 0,    0,    0,
	0,    10,   0x0f, 0xa0, 0,    80, 0,	0,  0, 1, 0, 0, 0,    1, /* ports, numbers */
	0x50, 0x10, 0xff, 0xff, 0,    0,  0,	0,
};

/* MSS 1460, SACK, timestamps, scale 7. */
static const uint8_t options[20] = { 2,	   4,	 5, 0xb4, 4, 2, 8, 10, 0xaa, 0xbb,
				     0xcc, 0xdd, 0, 0,	  0, 0, 1, 3,  3,    7 };

static void put32(uint8_t *at, uint32_t value)
{
	uint32_t be = htobe32(value);

	memcpy(at, &be, sizeof(be));
}

static void to_listener(struct frame *f)
{
	const uint16_t port = htobe16(FRAME_HOST_PORT);

	memcpy(&f->bytes[TCP_AT + 2], &port, sizeof(port));
}

static void make_syn(struct frame *f)
{
	f->n = SYN_BYTES;
	f->bytes[17] = 20 + 20 + sizeof(options);
	put32(&f->bytes[SEQUENCE_AT], NUMBER);
	put32(&f->bytes[ACKNOWLEDGE], 0);
	f->bytes[OFFSET_AT] = (20 + sizeof(options)) / 4 << 4;
	f->bytes[FLAGS_AT] = FRAME_SYN;
	memcpy(&f->bytes[OPTIONS_AT], options, sizeof(options));
}

static void swap(uint8_t *a, uint8_t *b, size_t n)
{
	uint8_t was[16];

	memcpy(was, a, n);
	memcpy(a, b, n);
	memcpy(b, was, n);
}

static void turn(struct frame *f)
{
	swap(&f->bytes[FRAME_SOURCE_AT], &f->bytes[FRAME_CLIENT_AT], 4);
	swap(&f->bytes[TCP_AT], &f->bytes[TCP_AT + 2], 2);
}

static void turn_v6(struct frame *f)
{
	swap(&f->bytes[FRAME_V6_AT], &f->bytes[FRAME_V6_AT + 16], 16);
	swap(&f->bytes[V6_END], &f->bytes[V6_END + 2], 2);
}

static bool is_v6(const struct frame *f)
{
	return f->bytes[ETHER_TYPE_AT] == v6[ETHER_TYPE_AT];
}

void frame_set_flags(struct frame *f, uint8_t tcp_flags)
{
	f->bytes[is_v6(f) ? V6_FLAGS_AT : FLAGS_AT] = tcp_flags;
}

void frame_turn(struct frame *f, uint8_t tcp_flags)
{
	swap(f->bytes, f->bytes + 6, 6);
	if (is_v6(f))
		turn_v6(f);
	else
		turn(f);
	frame_set_flags(f, tcp_flags);
}

/* An error's sender has the packet's source address, here the client's. */
static void make_error(struct frame *f)
{
	static const uint8_t icmp[8] = { 3, 3 };
	uint8_t *quoted = &f->bytes[ICMP_AT + sizeof(icmp)];
	struct frame back = *f;

	turn(&back);
	f->n = ERROR_BYTES;
	f->bytes[17] = ERROR_BYTES - 14;
	f->bytes[PROTO_AT] = 1;
	memcpy(&f->bytes[ICMP_AT], icmp, sizeof(icmp));
	memcpy(quoted, &back.bytes[14], 20 + 8);
}

static void make_v6(struct frame *f, bool error)
{
	static const uint8_t icmp[8] = { 1, 4 };
	uint8_t *quoted = &f->bytes[V6_ICMP_AT + sizeof(icmp)];

	f->n = sizeof(v6);
	memcpy(f->bytes, v6, sizeof(v6));
	if (!error)
		return;
	f->n = V6_ERROR;
	f->bytes[19] = V6_ERROR - V6_ICMP_AT;
	f->bytes[20] = 58;
	memcpy(&f->bytes[V6_ICMP_AT], icmp, sizeof(icmp));
	memcpy(quoted, &v6[14], 8);
	memcpy(quoted + 8, &v6[38], 16);
	memcpy(quoted + 24, &v6[22], 16);
	memcpy(quoted + 40, &v6[56], 2);
	memcpy(quoted + 42, &v6[54], 2);
	memcpy(quoted + 44, &v6[58], 4);
}

/* Short headers with connection ids of config rotations 0, 1 and 2; selftests/harness/quic_lb.py. */
static void make_quic(struct frame *f, enum frame_kind kind)
{
	static const uint8_t ids[3][17] = {
		{ 0x10, 0, 0, 0, 0, 0, 0, 0, 1 },
		{ 0x30, 0x78, 0x8b, 0xcd, 0x11, 0x1e, 0xcf, 0x73, 0xd4, 0xe7, 0x8d, 0x2e, 0x21,
		  0xbe, 0xf5, 0x54, 0x60 },
		{ 0x49, 0x83, 0x78, 0x04, 0x4d, 0xc7, 0xa8, 0x2a, 0xb0, 0x06 },
	};

	f->bytes[17] = 46; /* all of the frame */
	f->bytes[PROTO_AT] = 17;
	f->bytes[TCP_AT + 5] = 26;
	f->bytes[TCP_AT + 8] = 0x40;
	memcpy(&f->bytes[TCP_AT + 9], ids[kind - FRAME_QUIC], sizeof(ids[0]));
}

static void to_vip(struct frame *f, enum frame_kind kind, uint8_t vip)
{
	const bool v6_kind = kind == FRAME_V6 || kind == FRAME_V6_ERROR;

	f->bytes[(v6_kind ? V6_END : ADDRESS_END) - 1] += vip;
	if (kind == FRAME_ERROR) /* it is the quoted packet's source */
		f->bytes[ICMP_AT + 8 + 15] += vip;
	if (kind == FRAME_V6_ERROR)
		f->bytes[V6_ICMP_AT + 8 + 23] += vip;
}

void frame_build(enum frame_kind kind, uint8_t vip, struct frame *ret)
{
	*ret = (struct frame) { .n = sizeof(ack) };
	memcpy(ret->bytes, ack, sizeof(ack));
	if (kind == FRAME_SYN_VIP || kind == FRAME_SYN_HOST)
		make_syn(ret);
	if (kind == FRAME_SYN_HOST || kind == FRAME_THIRD || kind == FRAME_OTHER)
		to_listener(ret);
	if (kind == FRAME_THIRD)
		put32(&ret->bytes[SEQUENCE_AT], NUMBER + 1);
	if (kind == FRAME_ANSWER)
		turn(ret);
	if (kind == FRAME_ERROR)
		make_error(ret);
	if (kind == FRAME_V6 || kind == FRAME_V6_ERROR)
		make_v6(ret, kind == FRAME_V6_ERROR);
	if (kind == FRAME_UDP) {
		ret->bytes[PROTO_AT] = 17;
		ret->bytes[TCP_AT + 5] = 20; /* its length */
	}
	if (kind >= FRAME_QUIC)
		make_quic(ret, kind);
	to_vip(ret, kind, vip);
}

uint32_t frame_cookie(const struct frame *answer)
{
	uint32_t be;

	memcpy(&be, &answer->bytes[SEQUENCE_AT], sizeof(be));
	return be32toh(be);
}

void frame_set_cookie(struct frame *third, uint32_t cookie)
{
	put32(&third->bytes[ACKNOWLEDGE], cookie + 1);
}
