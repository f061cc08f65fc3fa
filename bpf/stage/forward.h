/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * L2 direct server return: the packet goes to the backend's hardware address, unchanged from L3 on
 * (also its TTL: no router was passed). The backend has the vip's address and answers by itself.
 * VLAN tags stay as they came.
 */
#pragma once

#include "../pipeline.h"

static __always_inline enum stage_result stage_forward(struct pkt *p)
{
	struct backend *b = p->backend;
	struct ethhdr *eth = p->data;

	if (!b)
		return drop(p, DROP_INTERNAL);
	if ((void *)(eth + 1) > p->end)
		return drop(p, DROP_MALFORMED);
	__builtin_memcpy(eth->h_dest, b->dst_mac, sizeof(eth->h_dest));
	__builtin_memcpy(eth->h_source, b->src_mac, sizeof(eth->h_source));
	p->egress_ifindex = b->ifindex;
	return STAGE_TX;
}
