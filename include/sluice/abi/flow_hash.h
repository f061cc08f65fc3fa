/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which slot of a vip's ring a flow has: SipHash-1-3 under the vip's seed, over the addresses, the
 * ports and the protocol. Shared so that "what would happen to this flow" needs no packet.
 */
#pragma once

#include "../algo/siphash.h"
#include "addr.h"
#include "vip.h"

static inline __u64 flow_hash_pair(__u32 low, __u32 high)
{
	return (__u64)high << 32 | low;
}

/* Ports 0 for fragments and what has none. IPv4 leaves the constant part of its addresses out. */
static inline __attribute__((always_inline)) __u64 flow_hash(const struct flow_key *flow,
							     const __u64 seed[2])
{
	const __be32 *src = flow->src.w, *dst = flow->dst.w;
	__u64 ports = flow_hash_pair((__u32)flow->sport << 16 | flow->dport, flow->proto);
	int v6 = (src[0] | src[1] | dst[0] | dst[1]) != 0;
	struct siphash s;

	siphash_init(&s, seed);
	if (v6) {
		siphash_word(&s, flow_hash_pair(src[0], src[1]), 1);
		siphash_word(&s, flow_hash_pair(src[2], src[3]), 1);
		siphash_word(&s, flow_hash_pair(dst[0], dst[1]), 1);
		siphash_word(&s, flow_hash_pair(dst[2], dst[3]), 1);
	} else {
		siphash_word(&s, flow_hash_pair(src[3], dst[3]), 1);
	}
	/* The top byte tells the two lengths apart. */
	siphash_word(&s, ports | (__u64)(v6 ? 37 : 13) << 56, 1);
	return siphash_end(&s, 3);
}

/* Of all flows of a client the same: of its address, of IPv6 the /64 (VIP_CLIENT). */
static inline __u64 flow_hash_client(const struct addr *client, const __u64 seed[2])
{
	const __be32 *src = client->w;
	int v6 = (src[0] | src[1]) != 0;
	struct siphash s;

	siphash_init(&s, seed);
	siphash_word(&s, v6 ? flow_hash_pair(src[0], src[1]) : flow_hash_pair(src[2], src[3]), 1);
	/* No flow's words end like this one. */
	siphash_word(&s, 8ULL << 56, 1);
	return siphash_end(&s, 3);
}

/* 0..ring_size-1, evenly: the high half of a product, since a division costs more. */
static inline __u32 flow_hash_slot(__u64 hash, __u32 ring_size)
{
	return (__u32)((hash >> 32) * ring_size >> 32);
}

/* The slot of a vip's flow, in a ring of ring_size slots. */
static inline __u32 flow_hash_vip_slot_of(const struct flow_key *flow, const struct vip *vip,
					  __u32 ring_size)
{
	__u64 hash = vip->flags & VIP_CLIENT ? flow_hash_client(&flow->src, vip->hash_seed)
					     : flow_hash(flow, vip->hash_seed);

	return flow_hash_slot(hash, ring_size);
}

/* In the ring in force. */
static inline __u32 flow_hash_vip_slot(const struct flow_key *flow, const struct vip *vip)
{
	return flow_hash_vip_slot_of(flow, vip, vip->ring_size);
}
