/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading and rewriting a frame at any offset, at TC; frame_xdp.h is the same for XDP. */
#pragma once

#include <stddef.h>

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

#include "frame_outer.h"
#include "sluice/algo/csum.h"

#define FRAME_CONTEXT struct __sk_buff

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

/* Read bytes within the first 128: they need not be in what can be read directly. */
static __always_inline long frame_peek(FRAME_CONTEXT *ctx, __u32 at, void *ret, const __u32 bytes)
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

/* Change bytes behind the link header; a sum that the device made is told. */
static __always_inline long frame_patch(FRAME_CONTEXT *ctx, __u32 at, const void *from,
					const __u32 bytes)
{
	return bpf_skb_store_bytes(ctx, at, from, bytes, BPF_F_RECOMPUTE_CSUM);
}

/* Change bytes that no checksum of the device covers: of the link header, or at once with their own. */
static __always_inline long frame_put_ports(FRAME_CONTEXT *ctx, __u32 at, const __be16 ports[2])
{
	return bpf_skb_store_bytes(ctx, at, ports, 4, 0);
}

static __always_inline long frame_put_link(FRAME_CONTEXT *ctx, const struct ethhdr *link)
{
	return bpf_skb_store_bytes(ctx, 0, link, 12, 0);
}

/*
 * Tell a transport checksum of what changed in the sum of the addresses and of what it covers itself. The
 * kernel knows whether it is filled in (CHECKSUM_PARTIAL has the addresses alone) and what the device
 * summed up: the addresses were written with its being told (frame_patch), so the change of the
 * checksum that they cause is told, too; ports and theirs cancel each other out.
 */
static __always_inline long frame_adjust_l4(FRAME_CONTEXT *ctx, __u32 at, __u64 addresses,
					    __u64 ports, bool udp)
{
	__u64 flags = udp ? BPF_F_MARK_MANGLED_0 : 0;
	long err = bpf_l4_csum_replace(ctx, at, 0, ~csum_fold(addresses) & 0xffff,
				       flags | BPF_F_PSEUDO_HDR);

	return err ? err : bpf_l4_csum_replace(ctx, at, 0, ~csum_fold(ports) & 0xffff, flags);
}

/*
 * Change two bytes that the checksum at check_at covers; was and is: as words of its sum. The kernel
 * knows whether that was filled in. A sum that the device made stays: both changes make up for another.
 */
static __always_inline long frame_patch_summed(FRAME_CONTEXT *ctx, __u32 at, const __u8 to[2],
					       __u32 check_at, __be16 was, __be16 is)
{
	long err = bpf_skb_store_bytes(ctx, at, to, 2, 0);

	return err ? err : bpf_l4_csum_replace(ctx, check_at, was, is, 2);
}

/* Can outer headers be put behind a link header of that length? The kernel refuses a tag in the frame. */
static __always_inline bool frame_takes_outer(__u32 l2_bytes)
{
	return l2_bytes == sizeof(struct ethhdr);
}

/*
 * The link header and the outer ones. What the kernel merged it cuts again on the way out, if it is
 * told what the outer headers are; the segments stay as long as they are (they fit: stage/mtu.h).
 */
static __always_inline long frame_push(FRAME_CONTEXT *ctx, __u32 l2_bytes,
				       const struct frame_outer *o)
{
	__u32 outer_bytes = frame_outer_bytes(o);
	__u64 flags = o->is_plain ? 0
				  : BPF_F_ADJ_ROOM_FIXED_GSO |
					    (o->v6 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV6
						   : BPF_F_ADJ_ROOM_ENCAP_L3_IPV4) |
					    (o->has_udp ? BPF_F_ADJ_ROOM_ENCAP_L4_UDP : 0);
	long err;

	if (!frame_takes_outer(l2_bytes))
		return -1;
	err = bpf_skb_adjust_room(ctx, outer_bytes, BPF_ADJ_ROOM_MAC, flags);
	if (!err)
		err = bpf_skb_store_bytes(ctx, 0, &o->link, sizeof(o->link), 0);
	/* v4 with its UDP header is as they follow each other; so is v6. */
	if (!err)
		err = bpf_skb_store_bytes(ctx, sizeof(o->link), o->bytes, outer_bytes,
					  BPF_F_RECOMPUTE_CSUM);
	return err;
}

/* Have the first bytes readable. */
static __always_inline long frame_pull(FRAME_CONTEXT *ctx, __u32 bytes)
{
	return bpf_skb_pull_data(ctx, bytes);
}

/* Leave the first bytes of it alone; it is merged no more. */
static __always_inline long frame_cut(FRAME_CONTEXT *ctx, __u32 from_bytes, __u32 to_bytes)
{
	(void)from_bytes;
	return bpf_skb_change_tail(ctx, to_bytes, 0);
}
