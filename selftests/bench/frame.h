/* SPDX-License-Identifier: BSD-2-Clause */
/* The packets of the benchmark: TCP, from one client unless vary.bpf.c or flows.bpf.c gives it others. */
#pragma once

#include <stdint.h>

#define FRAME_HOST_PORT 8080 /* of this host's listener; 80 is the vip's */
#define FRAME_SOURCE_AT 26   /* the client's address, of what comes in */
#define FRAME_CLIENT_AT 30   /* and of what goes out */
#define FRAME_V6_AT	22   /* the client's address in IPv6 */

enum frame_kind {
	FRAME_ACK,	 /* to the vip's address, as short as Ethernet has it */
	FRAME_SYN_VIP,	 /* with the options that Linux sends, to the vip */
	FRAME_SYN_HOST,	 /* and to the listener */
	FRAME_THIRD,	 /* the acknowledgement of what answered that: frame_set_cookie */
	FRAME_ANSWER,	 /* what goes out to the client */
	FRAME_UDP,	 /* to the vip's address, as short */
	FRAME_OTHER,	 /* ACK to a port of it that is no vip's */
	FRAME_ERROR,	 /* ICMP: port unreachable, quoting what a backend sent to the client */
	FRAME_V6,	 /* ACK, IPv6 */
	FRAME_V6_ERROR,	 /* ICMPv6, the same */
	FRAME_QUIC,	 /* to the vip over UDP, with a server id in plain text; fill_quic.h */
	FRAME_QUIC_ONE,	 /* encrypted in one pass */
	FRAME_QUIC_FOUR, /* encrypted in four */
};

#define FRAME_SYN      0x02
#define FRAME_ACK_FLAG 0x10

struct frame {
	uint8_t bytes[112];
	uint32_t n;
};

/* vip: so many addresses behind that of the first one, of either family. */
void frame_build(enum frame_kind kind, uint8_t vip, struct frame *ret);
/* The way back of a TCP packet, with those flags instead of its own. */
void frame_turn(struct frame *f, uint8_t tcp_flags);
void frame_set_flags(struct frame *f, uint8_t tcp_flags);
/* The sequence number of the answer to a SYN, and the acknowledgement of it. */
uint32_t frame_cookie(const struct frame *answer);
void frame_set_cookie(struct frame *third, uint32_t cookie);
