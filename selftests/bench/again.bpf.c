/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writes the packet as it was before it is run again, and hands it on by a tail call: for programs
 * that turn it around. The packet of BPF_PROG_TEST_RUN keeps what a run wrote into it.
 */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

#include "again.h"

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} again_next SEC(".maps");

__u64 again_frame[AGAIN_WORDS]; /* set between runs */

SEC("xdp.frags")
int again(struct xdp_md *ctx)
{
	__u64 *to = (void *)(long)ctx->data;
	__u32 i;

	if ((void *)(to + AGAIN_WORDS) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
#pragma unroll
	for (i = 0; i < AGAIN_WORDS; i++)
		to[i] = again_frame[i];
	bpf_tail_call(ctx, &again_next, 0);
	return XDP_ABORTED;
}

char _license[] SEC("license") = "Dual BSD/GPL";
