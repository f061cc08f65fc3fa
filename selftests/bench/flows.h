/* SPDX-License-Identifier: BSD-2-Clause */
/* What flows.bpf.c makes of a packet, for who fills the maps to agree. */
#pragma once

#include <linux/types.h>

/* Of 8 bytes: the headers that a program changes, up to the checksum of TCP over IPv6. */
#define FLOWS_WORDS_MAX 9

struct flows_plan {
	__u64 frame[FLOWS_WORDS_MAX];
	__u32 words;	  /* of these */
	__u32 bytes;	  /* of the whole packet */
	__u32 grows;	  /* take back what was put in front of it */
	__u32 mask;	  /* flows, less one; 0: one */
	__u32 one_source; /* that only differ in the port */
	__u32 vips;	  /* that they are to */
	__u32 first_vip;  /* the address of the first of those, host order */
};

/* The address of the vip that a source's flow is to; the others follow the first. */
static inline __u32 flows_vip(__u32 first, __u32 n, __u32 source)
{
	return first + ((source & 0xffff) * n >> 16);
}
