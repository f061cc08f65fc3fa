/* SPDX-License-Identifier: BSD-2-Clause */
/* The packets of the benchmark: IPv4 and TCP, from one client unless vary.bpf.c gives it others. */
#pragma once

#include <stdint.h>

#define FRAME_HOST_PORT 8080 /* of this host's listener; 80 is the vip's */
#define FRAME_SOURCE_AT 26   /* the client's address, of what comes in */
#define FRAME_CLIENT_AT 30   /* and of what goes out */

enum frame_kind {
	FRAME_ACK,	/* to the vip's address, as short as Ethernet has it */
	FRAME_SYN_VIP,	/* with the options that Linux sends, to the vip */
	FRAME_SYN_HOST, /* and to the listener */
	FRAME_THIRD,	/* the acknowledgement of what answered that: frame_set_cookie */
	FRAME_ANSWER,	/* what goes out to the client */
	FRAME_UDP,	/* to the vip's address, as short */
};

struct frame {
	uint8_t bytes[80];
	uint32_t n;
};

void frame_build(enum frame_kind kind, struct frame *ret);
/* The sequence number of the answer to a SYN, and the acknowledgement of it. */
uint32_t frame_cookie(const struct frame *answer);
void frame_set_cookie(struct frame *third, uint32_t cookie);
