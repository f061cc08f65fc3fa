/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Headers to put in front of an IP packet: what frame_push() of frame_xdp.h and frame_tc.h takes. */
#pragma once

#include <stdbool.h>

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

/* Ethernet and two VLAN tags, and then some; the parser takes no more, and all IP is as long. */
#define FRAME_LINK_MAX 24

struct frame_outer_v4 {
	struct iphdr ip;
	struct udphdr udp;
};

struct frame_outer_v6 {
	struct ipv6hdr ip;
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

static __always_inline __u32 frame_outer_bytes(const struct frame_outer *o)
{
	return (o->v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) +
	       (o->has_udp ? sizeof(struct udphdr) : 0);
}
