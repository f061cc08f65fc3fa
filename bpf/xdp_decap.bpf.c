/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* On a backend: packets of modes ipip and gue out of their outer headers, where there is no tunnel device. */
#include "stage/decap.h"

SEC("xdp.frags")
int xdp_decap(struct xdp_md *ctx)
{
	struct decap_outer o = {};
	int found = decap_look(ctx, &o);
	__u32 index = found;
	__u64 *count;

	if (found == DECAP_NOT)
		return XDP_PASS;
	count = bpf_map_lookup_elem(&stats_decap, &index);
	if (count)
		(*count)++;
	if (found != DECAP_IPIP && found != DECAP_GUE)
		return XDP_DROP;
	return decap_strip(ctx, &o) ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
