/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Dropped packets for a person's capture: map `capture` (array, one element, memory-mapped) says
 * whether one runs and of what, map `capture_ring` (ring buffer) has the packets.
 */
#pragma once

#include "../algo/gcra.h"
#include "event.h"

#define CAPTURE_BYTES 128 /* of each frame, from the link header on */

struct capture {
	__u64 until_ns; /* CLOCK_MONOTONIC; 0: none runs. It ends then also without an agent. */
	__u64 reasons;	/* bit per enum drop_reason */
	struct gcra_rate rate; /* packets of each reason */
	__u64 tat[EVENT_REASONS];
	__u64 missed; /* over the rate, or without room in the ring */
};
ABI_SIZE(struct capture, 48 + 8 * EVENT_REASONS);

struct capture_packet {
	__u64 time_ns;	   /* CLOCK_MONOTONIC */
	__u32 reason;	   /* enum drop_reason */
	__u32 limit_class; /* that dropped it; 0: none */
	__u32 vip_id;	   /* 0: none */
	__u32 ifindex;
	__u32 frame_bytes; /* all of it, without the tag below */
	__u32 bytes;	   /* in data */
	__u16 tag_proto;   /* VLAN tag that the device took out: ether type and TCI; 0: none */
	__u16 tag_tci;
	__u32 pad;
	__u8 data[CAPTURE_BYTES];
};
ABI_SIZE(struct capture_packet, 40 + CAPTURE_BYTES);
