/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Vips and the rings that choose their backends. Map `vips` (hash) by address, port and protocol;
 * map `vip_ring` (array, memory-mapped by the agent) holds two rings per vip: the agent fills the
 * idle one and flips `ring`, so no packet sees a mixed one.
 */
#pragma once

#include "addr.h"

struct vip_key {
	struct addr addr;
	__be16 port; /* VIP_PORT_FRAGMENTS: the record that fragments to addr match */
	__u8 proto;  /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 pad;
};
ABI_SIZE(struct vip_key, 20);

/*
 * Later fragments have no ports. All fragments match the record of this port and are hashed without
 * ports, so that those of one datagram meet one backend; where there is none they go to the host.
 * The agent adds it, as a copy of the vip's own record, for each address and protocol with a single
 * vip; where several vips share them, for the one with the lowest id.
 */
#define VIP_PORT_FRAGMENTS 0

struct vip {
	__u32 id;	 /* 1..max_vips-1: index of counters and rings */
	__u32 ring;	 /* 0 or 1: the ring in force */
	__u32 ring_size; /* slots, prime, <= RING_SIZE_MAX */
	__u16 service;	 /* of its limits: index into struct limit_set (abi/limit.h) */
	__u16 flags;
	__u64 hash_seed[2]; /* SipHash key of the flow hash: secret, the same on every node */
};
ABI_SIZE(struct vip, 32);

/* Map `vip_state` (array, one element, memory-mapped). */
struct vip_state {
	__u32 is_empty; /* 1: map vips is, so that nobody needs to ask it; 0: it may be */
	__u32 pad;
};
ABI_SIZE(struct vip_state, 8);

#define RING_SIZE_MAX 65537
/*
 * A ring slot is a backend id; 0 is "no backend". Index: (vip.id * 2 + vip.ring) * stride + slot,
 * the stride being the programs' setting ring_stride, and slot that of abi/flow_hash.h.
 * In memory an element takes 8 bytes, as in all array maps: the kernel rounds up.
 */
#define VIP_RING_ELEMENT_BYTES 8

enum backend_flags {
	BACKEND_READY = 1, /* mac and ifindex are known */
};

/* How a packet gets to a backend of the vip; the same for all of a vip. */
enum backend_mode {
	BACKEND_L2,   /* as it is, to the backend's hardware address */
	BACKEND_IPIP, /* in an IP header of its own (RFC 2003, RFC 2473) */
	BACKEND_GUE, /* in UDP, by Generic UDP Encapsulation without a header of its own (variant 1) */
};

/* What outer headers add; the backend's own address is where they go to. */
#define BACKEND_OUTER_V4  20U
#define BACKEND_OUTER_V6  40U
#define BACKEND_OUTER_UDP 8U

/* Map `backends` (array) by backend id; the next hop is cached here, resolved by the agent. */
struct backend {
	struct addr addr;
	struct addr source; /* of outer headers, of addr's family; l2 has none */
	__u32 ifindex;	    /* device that the packet leaves by */
	__u16 mtu;	    /* what the device can send, less the outer headers */
	__u8 flags;	    /* enum backend_flags */
	__u8 mode;	    /* enum backend_mode */
	__u32 generation;   /* raised whenever the id is given to another backend */
	__u8 dst_mac[6];
	__u8 src_mac[6];
	__u32 vip_id;
	__be16 port; /* gue: UDP port that it is sent to */
	__u16 pad;
};
ABI_SIZE(struct backend, 64);
