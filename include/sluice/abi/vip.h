/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Vips and the rings that choose their backends. Map `vips` (hash) has a record for each vip; map
 * `vip_ring` (array, memory-mapped by the agent) holds two rings per vip: the agent fills the
 * idle one and flips `ring`, so no packet sees a mixed one.
 */
#pragma once

#include "addr.h"

/*
 * What a vip is, and where its record is. A plain one, of one address and port, is found by the packet
 * itself; a wide one by map `vip_wide`. No two ranges of a prefix begin at the same port, so where they
 * end is not part of it.
 */
struct vip_key {
	struct addr addr; /* wide: the prefix's first */
	__be16 port;	  /* wide: the first one, 0 for any */
	__u8 proto;	  /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 wide;	  /* 0: plain; else the prefix's length less 1, and VIP_WIDE_PORTS */
};
ABI_SIZE(struct vip_key, 20);

#define VIP_WIDE_PORTS 0x80 /* in `wide`: of more than one port */

/*
 * Map `vip_wide` (LPM trie): for each prefix that vips have, which of them takes which port. The agent
 * has compiled into each what the shorter prefixes around it say as well, so that one look-up of the
 * longest decides. Plain vips are not in `span`, but their addresses are keys, for `fragments`: later
 * fragments have no ports, so all of them go to one vip of the address, whatever their port.
 */
#define VIP_SPANS_MAX  32 /* a power of two */
#define VIP_SPANS_BITS 5

struct vip_wide_key {
	__u32 len_bits; /* VIP_WIDE_PROTO_BITS + the prefix's length */
	__u32 proto;	/* as it is in memory: compared as a whole */
	struct addr addr;
};
ABI_SIZE(struct vip_wide_key, 24);

#define VIP_WIDE_PROTO_BITS 32U

/* Some ports in a row, and whose they are. A key of protocol 0: nobody's, so the host's. */
struct vip_span {
	__u16 first; /* host order */
	__u16 last;
	struct vip_key key;
};
ABI_SIZE(struct vip_span, 24);

/* Spans do not overlap and are in order. An update replaces the record as a whole. */
struct vip_wide {
	struct vip_key fragments;
	__u32 n;
	struct vip_span span[VIP_SPANS_MAX];
};
ABI_SIZE(struct vip_wide, 792);

enum vip_flags {
	VIP_QUIC = 1,	/* connection ids may name backends: abi/quic.h */
	VIP_NAT = 2,	/* its backends are of mode BACKEND_NAT: flows have state */
	VIP_ECHO = 4,	/* echo requests to it are answered by the edge */
	VIP_CLIENT = 8, /* all flows of a client have one slot */
};

struct vip {
	__u32 id;	    /* 1..max_vips-1: index of counters and rings */
	__u32 ring;	    /* 0 or 1: the ring in force */
	__u32 ring_size;    /* slots, prime, <= RING_SIZE_MAX */
	__u16 service;	    /* of its limits: index into struct limit_set (abi/limit.h) */
	__u16 flags;	    /* enum vip_flags */
	__u64 hash_seed[2]; /* SipHash key of the flow hash: secret, the same on every node */
};
ABI_SIZE(struct vip, 32);

/* Map `vip_state` (array, one element, memory-mapped). */
struct vip_state {
	__u32 is_empty; /* 1: map vips is, so that nobody needs to ask it; 0: it may be */
	__u32 has_wide; /* 0: no span is in vip_wide, which then is for fragments only */
};
ABI_SIZE(struct vip_state, 8);

#define RING_SIZE_MAX 65537
/*
 * A ring slot is a struct vip_slot (abi/vip_flow.h). Index: (vip.id * 2 + vip.ring) * stride + slot,
 * the stride being the programs' setting ring_stride, and slot that of abi/flow_hash.h.
 */
#define VIP_RING_ELEMENT_BYTES 8

enum backend_flags {
	BACKEND_READY = 1, /* mac and ifindex are known */
	BACKEND_DEAD = 2,  /* by its checks, or its drain is over: not for flows of before either */
	/* The agent's, of one that is removed and still has flows: programs do not look at them. */
	BACKEND_BY_DEVICE = 4, /* ifindex was given, and is not to be looked for */
	BACKEND_BY_MAC = 8,    /* dst_mac was */
	BACKEND_LOST = 16,     /* it still has flows, and is not ready as it has no next hop */
};

/* How a packet gets to a backend of the vip; the same for all of a vip. */
enum backend_mode {
	BACKEND_L2,   /* as it is, to the backend's hardware address */
	BACKEND_IPIP, /* in an IP header of its own (RFC 2003, RFC 2473) */
	BACKEND_GUE, /* in UDP, by Generic UDP Encapsulation without a header of its own (variant 1) */
	BACKEND_NAT, /* with its address, and answers come back here: abi/nat.h */
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
	__be16 port; /* gue: UDP port that it is sent to; nat: its own, 0: as the vip's */
	__u16 mss;   /* a SYN's is lowered to it; 0: is left alone */
};
ABI_SIZE(struct backend, 64);
