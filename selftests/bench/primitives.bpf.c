/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sum of what any exact limit per source must do: read the clock, find the source, spend a word.
 * No parsing, no lists, no counters: the floor of limit-accept.
 */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

#include "sluice/abi/client.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 262144);
	__type(key, struct client_key);
	__type(value, struct client);
} sources SEC(".maps");

SEC("xdp.frags")
int primitives(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	struct gcra_rate rate = { .mult = 2560, .tolerance_fp = GCRA_FP_PER_S };
	struct client_key key = { .limit_class = 1 };
	struct client *c;

	if ((void *)(ip + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	key.source.w[2] = 0xffff0000;
	key.source.w[3] = ip->saddr;
	c = bpf_map_lookup_elem(&sources, &key);
	if (!c)
		return XDP_ABORTED;
	gcra_spend(&c->meters.tat[0], &rate, gcra_now_fp(bpf_ktime_get_ns()), 1, 1);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
