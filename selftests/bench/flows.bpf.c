/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Gives a program behind a tail call the packet as it was, of another flow each time if so set: for
 * programs that change what they are given, or put something in front of it. The packet of
 * BPF_PROG_TEST_RUN keeps what a run did to it, its growth too, which is taken back first. What this
 * costs is measured on its own, with an empty program behind it.
 */
#include <vmlinux.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "flows.h"
#include "vary.h"

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} flows_next SEC(".maps");

const volatile struct flows_plan flows_plan = {};
__u32 flows_count;

/* IPv4: another source and port, another vip. */
static __always_inline void flows_vary(struct iphdr *ip)
{
	__u32 i = flows_count++ & flows_plan.mask, source = vary_source(i);
	__be16 *port = (__be16 *)(ip + 1);

	*port = bpf_htons(1024 + (__u16)(i % 60000));
	if (flows_plan.one_source)
		return;
	ip->saddr = bpf_htonl(source);
	if (flows_plan.vips > 1)
		ip->daddr = bpf_htonl(flows_vip(flows_plan.first_vip, flows_plan.vips, source));
}

SEC("xdp.frags")
int flows(struct xdp_md *ctx)
{
	__u64 bytes = (long)ctx->data_end - (long)ctx->data;
	__u64 *to;
	__u32 i;

	barrier_var(bytes); /* the compiler would do sums with the pointers */
	if (flows_plan.grows && bpf_xdp_adjust_head(ctx, (int)bytes - (int)flows_plan.bytes))
		return XDP_ABORTED;
	to = (void *)(long)ctx->data;
	if ((void *)(to + flows_plan.words) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
#pragma unroll
	for (i = 0; i < FLOWS_WORDS_MAX; i++) {
		if (i < flows_plan.words)
			to[i] = flows_plan.frame[i];
	}
	if (flows_plan.mask)
		flows_vary((void *)to + sizeof(struct ethhdr));
	bpf_tail_call(ctx, &flows_next, 0);
	return XDP_ABORTED;
}

char _license[] SEC("license") = "Dual BSD/GPL";
