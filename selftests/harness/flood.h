/* SPDX-License-Identifier: BSD-2-Clause */
/* What flood.c tells flood.bpf.c to send. */
#pragma once

#include <linux/types.h>

#define FLOOD_FRAME_BYTES 60
#define FLOOD_MIXES	  4

/* A frame without what changes from one to the next: source address, source port, checksums. */
struct flood_template {
	__u64 bytes[8];	 /* FLOOD_FRAME_BYTES of them */
	__u32 ip_sum;	 /* one's complement sum of the IPv4 header, not folded */
	__u32 l4_sum;	 /* the same of the pseudo header and the transport header */
	__u32 l4_sum_at; /* where its checksum goes; 0: it has none */
	__u32 pad;
};

struct flood_plan {
	struct flood_template template[FLOOD_MIXES];
	__u32 templates;
	__u32 sources; /* 1: one; more, a power of two: one of so many; 0: another random one in each frame */
	__u64 interval_q8_ns; /* between frames, in 1/256 ns; 0: as fast as it goes */
	__u64 count;	      /* frames at most */
};

/* Who sends: the first octet is 11..126 (so no address of a test network, no multicast). */
#define FLOOD_FIRST_OCTET 11
#define FLOOD_OCTETS	  116
