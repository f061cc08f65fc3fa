/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading and rewriting a frame at any offset, at XDP; frame_tc.h is the same for TC. */
#pragma once

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

#include "sluice/algo/csum.h"

/* Sums of what a TCP checksum covers; before and after are of the header without its check. */
struct frame_sums {
	__u64 pseudo;
	__u64 before;
	__u64 after;
};

static __always_inline long frame_load(void *ctx, __u32 at, void *ret, __u32 bytes)
{
	return bpf_xdp_load_bytes(ctx, at, ret, bytes);
}

static __always_inline long frame_store(void *ctx, __u32 at, void *from, __u32 bytes)
{
	return bpf_xdp_store_bytes(ctx, at, from, bytes);
}

/*
 * Store a TCP header without data. The checksum is made anew: between guests of one machine the one
 * that came may not be filled in, and at XDP nothing says so.
 */
static __always_inline long frame_store_tcp(void *ctx, __u32 at, struct tcphdr *tcp, __u32 bytes,
					    const struct frame_sums *sums)
{
	tcp->check = csum_fold(sums->pseudo + sums->after);
	return bpf_xdp_store_bytes(ctx, at, tcp, bytes);
}
