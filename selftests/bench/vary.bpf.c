/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Gives the packet another source each time it is run, and hands it on by a tail call: for what
 * a program costs when its tables are larger than the caches. The packet of BPF_PROG_TEST_RUN keeps
 * what a run wrote into it.
 */
#include <vmlinux.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "vary.h"

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} vary_next SEC(".maps");

/* Sources are 0..vary_mask; set between runs. */
__u32 vary_mask;
__u32 vary_count;

SEC("xdp.frags")
int vary(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct ipv6hdr *ip6 = (void *)(eth + 1);
	struct iphdr *ip = (void *)(eth + 1);
	__u32 i = vary_count++ & vary_mask;

	if ((void *)(ip6 + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	if (eth->h_proto == bpf_htons(0x86dd)) {
		ip6->saddr.in6_u.u6_addr32[0] = bpf_htonl(vary_source(i));
		ip6->saddr.in6_u.u6_addr32[1] = bpf_htonl(vary_source(~i));
	} else {
		ip->saddr = bpf_htonl(vary_source(i));
	}
	bpf_tail_call(ctx, &vary_next, 0);
	return XDP_ABORTED;
}

char _license[] SEC("license") = "Dual BSD/GPL";
