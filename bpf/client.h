/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who a packet is from, as the maps have it, and the records of sources that were proven real.
 *
 * Race that is accepted: two CPUs make a record of the same source. One's is inserted, both use it.
 */
#pragma once

#include "lib/address.h"
#include "pipeline.h"
#include "sluice/abi/client.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 262144);
	__type(key, struct client_key);
	__type(value, struct client);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} clients SEC(".maps");

/* The source's address, or its /64. */
static __always_inline void client_unit(const struct pkt_facts *p, struct addr *ret)
{
	*ret = p->source;
	if (p->flags & PKT_IPV6) {
		ret->w[2] = 0;
		ret->w[3] = 0;
	}
}

/* Its /24 or /48. */
static __always_inline void client_wide(const struct pkt_facts *p, struct addr *ret)
{
	*ret = p->source;
	if (p->flags & PKT_IPV6) {
		ret->w[1] &= bpf_htonl(0xffff0000);
		ret->w[2] = 0;
		ret->w[3] = 0;
	} else {
		ret->w[3] &= bpf_htonl(0xffffff00);
	}
}
