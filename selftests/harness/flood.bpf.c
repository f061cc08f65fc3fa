/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A flood of made-up sources, and the least that can be done about one.
 *
 * flood_send is run by BPF_PROG_TEST_RUN with live frames, on one CPU: XDP_TX leaves by the device it is
 * run for. Frames come back from a pool with whatever was last in them, so each is written in full; but
 * those of one source not again when they come back as they were sent: what a device received is in
 * memory or in a shared cache, and not in the private one of a CPU that has just written it.
 * Ahead of its pace it waits, and if that takes long answers XDP_DROP, which puts the frame back.
 */
#include <vmlinux.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "flood.h"

#define PACE_FRAMES	 8	/* between two looks at the clock, which is dear */
#define PACE_LOOKS	 2048	/* at the clock: some 60 us */
#define PACE_CATCH_UP_NS 200000 /* a pause is not made up for by a burst longer than this */

struct flood_plan flood_plan;
__u64 flood_sent;
__u64 flood_random = 88172645463325252ULL; /* never 0; set by flood.c */

static __u64 next_q8;
static __u64 credit;

struct flood_frame {
	union {
		__u64 word[8]; /* FLOOD_FRAME_BYTES of them */
		__u8 bytes[64];
	};
};

/* Marsaglia, "Xorshift RNGs" (2003), s3. */
static __always_inline __u64 random_next(void)
{
	__u64 x = flood_random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	flood_random = x;
	return x;
}

/* Wait for the next frames' time; false: it is not near. */
static __always_inline bool pace(void)
{
	__u64 now_q8 = 0;
	__u32 i;

	for (i = 0; i < PACE_LOOKS; i++) {
		now_q8 = bpf_ktime_get_ns() << 8;
		if (now_q8 >= next_q8)
			break;
	}
	if (now_q8 < next_q8)
		return false;
	if (now_q8 - next_q8 > (__u64)PACE_CATCH_UP_NS << 8)
		next_q8 = now_q8 - ((__u64)PACE_CATCH_UP_NS << 8);
	next_q8 += PACE_FRAMES * flood_plan.interval_q8_ns;
	credit = PACE_FRAMES;
	return true;
}

static __always_inline bool may_send(void)
{
	if (flood_plan.count && flood_sent >= flood_plan.count)
		return false;
	if (!flood_plan.interval_q8_ns)
		return true;
	if (credit == 0 && !pace())
		return false;
	credit--;
	return true;
}

static __always_inline __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* What the next frame's source and port are made of. */
static __always_inline __u64 source_next(void)
{
	if (flood_plan.sources == 1)
		return 1;
	if (flood_plan.sources == 0)
		return random_next();
	return (random_next() & (flood_plan.sources - 1)) * 0x9e3779b97f4a7c15ULL;
}

/* The next frame: its template, from another source each time or always the same. */
static __always_inline void make_frame(const struct flood_template *t, struct flood_frame *ret)
{
	__u64 r = source_next();
	struct iphdr *ip = (void *)ret->bytes + sizeof(struct ethhdr);
	__u32 source, port, sum, i;

#pragma unroll
	for (i = 0; i < 8; i++)
		ret->word[i] = t->bytes[i];
	source = (FLOOD_FIRST_OCTET + (((r >> 32) & 0xff) * FLOOD_OCTETS >> 8)) << 24;
	source = bpf_htonl(source | (r & 0xffffff));
	port = bpf_htons(1024 + (r >> 44 & 0x7fff));
	sum = (source & 0xffff) + (source >> 16);
	ip->saddr = source;
	ip->check = fold(t->ip_sum + sum);
	*(__be16 *)(ip + 1) = port;
	if (t->l4_sum_at == 50) /* TCP's; UDP over IPv4 may go without (RFC 768) */
		*(__u16 *)(ret->bytes + 50) = fold(t->l4_sum + sum + port);
}

static __always_inline bool is_frame(const void *data, const struct flood_frame *frame)
{
	__u64 differs = *(const __u32 *)(data + 56) ^ (__u32)frame->word[7];
	__u32 i;

#pragma unroll
	for (i = 0; i < FLOOD_FRAME_BYTES / 8; i++)
		differs |= ((const __u64 *)data)[i] ^ frame->word[i];
	return !differs;
}

SEC("xdp")
int flood_send(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct flood_frame frame;
	__u32 i;

	if (data + FLOOD_FRAME_BYTES > end || !may_send())
		return XDP_DROP;
	i = flood_sent % (flood_plan.templates ?: 1);
	make_frame(&flood_plan.template[i & (FLOOD_MIXES - 1)], &frame);
	flood_sent++;
	if (flood_plan.sources == 1 && is_frame(data, &frame))
		return XDP_TX;
#pragma unroll
	for (i = 0; i < FLOOD_FRAME_BYTES / 8; i++)
		((__u64 *)data)[i] = frame.word[i];
	*(__u32 *)(data + 56) = frame.word[7];
	return XDP_TX;
}

/* The floor that others are compared with: it does not even read the packet. */
SEC("xdp")
int flood_drop(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_DROP;
}

/* The floor of what looks at addresses: their cache line comes from the CPU that wrote it. */
SEC("xdp")
int flood_drop_read(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);

	if ((void *)(ip + 1) > end || eth->h_proto != bpf_htons(0x0800) || !ip->saddr)
		return XDP_PASS;
	return XDP_DROP;
}

const volatile __u32 flood_to; /* device */

/* The floor of what forwards by XDP. */
SEC("xdp")
int flood_redirect(struct xdp_md *ctx)
{
	(void)ctx;
	return bpf_redirect(flood_to, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
