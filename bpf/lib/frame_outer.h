/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Headers to put in front of an IP packet: what frame_push() of frame_xdp.h and frame_tc.h takes. */
#pragma once

#include <stdbool.h>

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

#include "sluice/abi/vip.h"

/* Ethernet and two VLAN tags, and then some; the parser takes no more, and all IP is as long. */
#define FRAME_LINK_MAX 24

struct frame_outer_v4 {
	struct iphdr ip;
	struct udphdr udp;
};

struct frame_outer_v6 {
	union {
		struct ipv6hdr ip;
		__be32 first; /* version, traffic class and flow label */
	};
	struct udphdr udp;
};

struct frame_outer {
	struct ethhdr link; /* its type is that of what follows all tags */
	__u8 v6;
	__u8 has_udp;  /* or eight other bytes behind the IP header */
	__u8 is_plain; /* the headers of this packet, and none around another */
	union {
		struct frame_outer_v4 v4;
		struct frame_outer_v6 v6_udp;
		__u8 bytes[sizeof(struct frame_outer_v6)];
	};
};

_Static_assert(__builtin_offsetof(struct backend, src_mac) ==
		       __builtin_offsetof(struct backend, dst_mac) + 6,
	       "as in a link header");

/* The link's addresses on the way to a backend, as they are in its record: by words. */
static __always_inline void frame_link_to(struct ethhdr *link, const struct backend *b)
{
	__builtin_memcpy(__builtin_assume_aligned(link, 4), __builtin_assume_aligned(b->dst_mac, 4),
			 12);
}

static __always_inline __u32 frame_outer_bytes(const struct frame_outer *o)
{
	return (o->v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) +
	       (o->has_udp ? sizeof(struct udphdr) : 0);
}
