/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading and rewriting a frame at any offset, at TC; frame_xdp.h is the same for XDP. */
#pragma once

#include <stddef.h>

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
	return bpf_skb_load_bytes(ctx, at, ret, bytes);
}

static __always_inline long frame_store(void *ctx, __u32 at, void *from, __u32 bytes)
{
	return bpf_skb_store_bytes(ctx, at, from, bytes, 0);
}

/*
 * Store a TCP header of the same length, the addresses only swapped: the pseudo-header's sum stays.
 * The kernel knows whether the checksum was filled in or is left to the device (CHECKSUM_PARTIAL),
 * so it is told of the difference.
 */
static __always_inline long frame_store_tcp(void *ctx, __u32 at, struct tcphdr *tcp, __u32 bytes,
					    const struct frame_sums *sums)
{
	__u64 difference = (~csum_fold(sums->after) & 0xffff) + csum_fold(sums->before);
	long err = bpf_skb_store_bytes(ctx, at, tcp, bytes, 0);

	if (err)
		return err;
	return bpf_l4_csum_replace(ctx, at + offsetof(struct tcphdr, check), 0, difference, 0);
}
