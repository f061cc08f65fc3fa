/* SPDX-License-Identifier: BSD-2-Clause */
#include "frame.h"

#include <endian.h>
#include <string.h>

#define PROTO_AT    23
#define TCP_AT	    34
#define SEQUENCE_AT (TCP_AT + 4)
#define ACKNOWLEDGE (TCP_AT + 8)
#define OFFSET_AT   (TCP_AT + 12)
#define FLAGS_AT    (TCP_AT + 13)
#define OPTIONS_AT  (TCP_AT + 20)
#define NUMBER	    0x01020304U /* the client's first */
#define SYN	    0x02

/* ACK, 198.51.100.7:4000 to 192.0.2.10:80. */
static const uint8_t ack[60] = {
	0x02, 0,    0,	  0,	0,    1,    0x02, 0,  0,  0, 0, 2, 0x08, 0x00, /* link */
	0x45, 0,    0,	  40,	0x12, 0x34, 0x40, 0,  64, 6, 0, 0,	       /* IPv4 */
	198,  51,   100,  7,	192,  0,    2,	  10,			       /* addresses */
	0x0f, 0xa0, 0,	  80,	0,    0,    0,	  1,  0,  0, 0, 1,	       /* ports, numbers */
	0x50, 0x10, 0xff, 0xff, 0,    0,    0,	  0,
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
	f->n = sizeof(f->bytes);
	f->bytes[17] = 20 + 20 + sizeof(options);
	put32(&f->bytes[SEQUENCE_AT], NUMBER);
	put32(&f->bytes[ACKNOWLEDGE], 0);
	f->bytes[OFFSET_AT] = (20 + sizeof(options)) / 4 << 4;
	f->bytes[FLAGS_AT] = SYN;
	memcpy(&f->bytes[OPTIONS_AT], options, sizeof(options));
}

static void turn(struct frame *f)
{
	uint8_t address[4], port[2];

	memcpy(address, &f->bytes[FRAME_SOURCE_AT], 4);
	memcpy(&f->bytes[FRAME_SOURCE_AT], &f->bytes[FRAME_CLIENT_AT], 4);
	memcpy(&f->bytes[FRAME_CLIENT_AT], address, 4);
	memcpy(port, &f->bytes[TCP_AT], 2);
	memcpy(&f->bytes[TCP_AT], &f->bytes[TCP_AT + 2], 2);
	memcpy(&f->bytes[TCP_AT + 2], port, 2);
}

void frame_build(enum frame_kind kind, struct frame *ret)
{
	*ret = (struct frame) { .n = sizeof(ack) };
	memcpy(ret->bytes, ack, sizeof(ack));
	if (kind == FRAME_SYN_VIP || kind == FRAME_SYN_HOST)
		make_syn(ret);
	if (kind == FRAME_SYN_HOST || kind == FRAME_THIRD)
		to_listener(ret);
	if (kind == FRAME_THIRD)
		put32(&ret->bytes[SEQUENCE_AT], NUMBER + 1);
	if (kind == FRAME_ANSWER)
		turn(ret);
	if (kind == FRAME_UDP) {
		ret->bytes[PROTO_AT] = 17;
		ret->bytes[TCP_AT + 5] = 20; /* its length */
	}
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
