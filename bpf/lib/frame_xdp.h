/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading and rewriting a frame at any offset, at XDP; frame_tc.h is the same for TC. */
#pragma once

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

#include "frame_outer.h"
#include "sluice/algo/csum.h"

#define FRAME_CONTEXT struct xdp_md

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

/*
 * By fours or twos: of what it does not know to be aligned, the compiler copies each octet. Where that
 * is, addresses of packets are read so, too. From what is aligned as its length says.
 */
static __always_inline void frame_copy(void *to, const void *from, const __u32 bytes)
{
	if (bytes % 4 == 0)
		__builtin_memcpy(__builtin_assume_aligned(to, 4), __builtin_assume_aligned(from, 4),
				 bytes);
	else if (bytes % 2 == 0)
		__builtin_memcpy(__builtin_assume_aligned(to, 2), __builtin_assume_aligned(from, 2),
				 bytes);
	else
		__builtin_memcpy(to, from, bytes);
}

static __always_inline bool frame_put(void *to, const void *end, const void *from,
				      const __u32 bytes)
{
	if (to + bytes > end)
		return false;
	frame_copy(to, from, bytes);
	return true;
}

/* Read bytes within the first 128, without a call. */
static __always_inline long frame_peek(FRAME_CONTEXT *ctx, __u32 at, void *ret, const __u32 bytes)
{
	void *data = (void *)(long)ctx->data + (at & 127), *end = (void *)(long)ctx->data_end;

	if (data + bytes > end)
		return -1;
	frame_copy(ret, data, bytes);
	return 0;
}

/* Change bytes within the first 128. */
static __always_inline long frame_patch(FRAME_CONTEXT *ctx, __u32 at, const void *from,
					const __u32 bytes)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	return !frame_put(data + (at & 127), end, from, bytes);
}

/* Change two bytes that the checksum at check_at covers; was and is: as words of its sum. */
static __always_inline long frame_patch_summed(FRAME_CONTEXT *ctx, __u32 at, const __u8 to[2],
					       __u32 check_at, __be16 was, __be16 is)
{
	__sum16 check;
	long err = bpf_xdp_load_bytes(ctx, check_at, &check, sizeof(check));

	if (err)
		return err;
	check = csum_replace_16(check, was, is);
	err = bpf_xdp_store_bytes(ctx, at, (void *)to, 2);
	return err ? err : bpf_xdp_store_bytes(ctx, check_at, &check, sizeof(check));
}

/* Change bytes that no checksum of the device covers: of the link header, or at once with their own. */
static __always_inline long frame_put_ports(FRAME_CONTEXT *ctx, __u32 at, const __be16 ports[2])
{
	return frame_patch(ctx, at, ports, 4);
}

static __always_inline long frame_put_link(FRAME_CONTEXT *ctx, const struct ethhdr *link)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	return !frame_put(data, end, link, 12);
}

/*
 * Tell a transport checksum within the first 128 bytes of what changed in the sum of the addresses and of
 * what it covers itself. UDP's 0 is none, and a sum of 0 is sent as its other form (RFC 768).
 */
static __always_inline long frame_adjust_l4(FRAME_CONTEXT *ctx, __u32 at, __u64 addresses,
					    __u64 ports, bool udp)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__sum16 *check = data + (at & 127);

	if ((void *)(check + 1) > end)
		return -1;
	if (udp && *check == 0)
		return 0;
	*check = csum_fold((~*check & 0xffff) + addresses + ports);
	if (udp && *check == 0)
		*check = 0xffff;
	return 0;
}

#ifdef FRAME_FIXED
/* Never, though the compiler must not know: it would leave out what functions are called with. */
static __always_inline long frame_never(void)
{
	long err = -1;

	barrier_var(err);
	return err;
}

#define frame_move_head(ctx, bytes) ((void)(ctx), (void)(bytes), frame_never())
#define frame_move_tail(ctx, bytes) ((void)(ctx), (void)(bytes), frame_never())
#else
#define frame_move_head(ctx, bytes) bpf_xdp_adjust_head(ctx, bytes)
#define frame_move_tail(ctx, bytes) bpf_xdp_adjust_tail(ctx, bytes)
#endif

/* Can outer headers be put behind a link header of that length? */
static __always_inline bool frame_takes_outer(__u32 l2_bytes)
{
	(void)l2_bytes;
	return true;
}

/*
 * The link header and its tags, moved to the front, followed by the outer ones. What is copied of it
 * goes past its end, where the outer headers come.
 */
static __always_inline long frame_push(FRAME_CONTEXT *ctx, __u32 l2_bytes,
				       const struct frame_outer *o)
{
	__u32 outer_bytes = frame_outer_bytes(o);
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end, *ip;
	__u32 tags[3];

	if (data + FRAME_LINK_MAX > end)
		return -1;
	frame_copy(tags, data + 12, sizeof(tags));
	if (frame_move_head(ctx, -(int)outer_bytes))
		return -1;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + FRAME_LINK_MAX > end)
		return -1;
	frame_copy(data, &o->link, 12);
	frame_copy(data + 12, tags, sizeof(tags));
	ip = data + (l2_bytes & 31);
	if (!frame_put(data + ((l2_bytes - 2) & 31), end, &o->link.h_proto, 2))
		return -1;
	if (o->v6)
		return !frame_put(ip, end, &o->v6_udp, 40) ||
		       (o->has_udp && !frame_put(ip + 40, end, &o->v6_udp.udp, 8));
	return !frame_put(ip, end, &o->v4, 20) ||
	       (o->has_udp && !frame_put(ip + 20, end, &o->v4.udp, 8));
}

/* Have the first bytes readable: they are, or are not. */
static __always_inline long frame_pull(FRAME_CONTEXT *ctx, __u32 bytes)
{
	(void)ctx, (void)bytes;
	return 0;
}

/* Leave the first bytes of it alone. */
static __always_inline long frame_cut(FRAME_CONTEXT *ctx, __u32 from_bytes, __u32 to_bytes)
{
	return frame_move_tail(ctx, (int)to_bytes - (int)from_bytes);
}
