/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The SYN-ACK that answers a SYN: the same frame turned around, of the same length, so that nothing
 * is grown and nobody's answer is longer than the question.
 *
 * The entry includes lib/frame_xdp.h or lib/frame_tc.h before this.
 */
#pragma once

#include "guard_option.h"
#include "sluice/algo/csum.h"

/* Not scaled; what a Linux listener offers at least, in whole segments of 1460. */
#define GUARD_WINDOW 64240
#define GUARD_TTL    64

/* An IP header without options, as the helpers want it and as the answer has it. */
union guard_ip {
	struct iphdr v4;
	struct ipv6hdr v6;
	__be32 word[10];
};

/* What a packet is worked on in: too large for the stack, and the program is alone on its CPU. */
struct guard_work {
	struct tcp_options t;
	union guard_ip ip;
	struct guard_answer answer;
	struct frame_sums sums;
};

/* Not pinned: nothing in it outlives a packet. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct guard_work);
} guard_work SEC(".maps");

static __always_inline struct guard_work *guard_work_get(void)
{
	__u32 zero = 0;
	struct guard_work *w = bpf_map_lookup_elem(&guard_work, &zero);

	if (w)
		__builtin_memset(w, 0, sizeof(*w));
	return w;
}

/*
 * A length of 20..60 as one of 1..64, which every verifier understands: older ones forget what a
 * comparison told about a number that was on the stack since. w->t has that much behind it.
 */
static __always_inline __u32 guard_bound(__u32 bytes)
{
	bytes -= 1;
	barrier_var(bytes);
	return (bytes & 63) + 1;
}

/* The IP header of what came, or of its answer. */
static __always_inline void guard_ip_fill(const struct pkt_facts *p, union guard_ip *ip,
					  __u32 tcp_bytes, bool answer)
{
	const struct addr *from = answer ? &p->flow.dst : &p->flow.src;
	const struct addr *to = answer ? &p->flow.src : &p->flow.dst;
	__u64 sum = 0;
	__u32 i;

	if (p->flags & PKT_IPV6) {
		ip->word[0] = bpf_htonl(6U << 28);
		ip->word[1] = bpf_htonl(tcp_bytes << 16 | PROTO_TCP << 8 | GUARD_TTL);
		__builtin_memcpy(&ip->word[2], from->w, 16);
		__builtin_memcpy(&ip->word[6], to->w, 16);
		return;
	}
	/* Don't fragment, and then no identification is needed (RFC 6864 s4.1). */
	ip->word[0] = bpf_htonl(0x45000000 | (sizeof(ip->v4) + tcp_bytes));
	ip->word[1] = bpf_htonl(0x4000);
	ip->word[2] = bpf_htonl(GUARD_TTL << 24 | PROTO_TCP << 16);
	ip->word[3] = from->w[3];
	ip->word[4] = to->w[3];
#pragma unroll
	for (i = 0; i < 5; i++)
		sum = csum_add_32(sum, ip->word[i]);
	ip->v4.check = csum_fold(sum);
}

static __always_inline __u64 guard_sum_tcp(const struct tcp_options *t)
{
	__u64 sum = 0;
	__u32 i;

#pragma unroll
	for (i = 0; i < TCP_HEADER_MAX / 4; i++)
		sum = csum_add_32(sum, t->word[i]);
	return sum;
}

static __always_inline __u64 guard_sum_pseudo(const struct pkt_facts *p, __u32 tcp_bytes)
{
	__u64 sum = csum_add_32(csum_add_32(0, bpf_htonl(PROTO_TCP)), bpf_htonl(tcp_bytes));
	__u32 i;

	sum = csum_add_32(csum_add_32(sum, p->flow.src.w[3]), p->flow.dst.w[3]);
	if (!(p->flags & PKT_IPV6))
		return sum;
#pragma unroll
	for (i = 0; i < 3; i++)
		sum = csum_add_32(csum_add_32(sum, p->flow.src.w[i]), p->flow.dst.w[i]);
	return sum;
}

/* What a segment to us may have: what the device takes, less headers (RFC 9293 s3.7.1). */
static __always_inline __u32 guard_mss(const struct pkt *p)
{
	__u32 headers = p->flags & PKT_IPV6 ? 60 : 40, mtu = 0;

	bpf_check_mtu(p->ctx, 0, &mtu, 0, 0);
	if (mtu > 65535)
		mtu = 65535;
	if (mtu < 576)
		mtu = p->flags & PKT_IPV6 ? 1280 : 576;
	return mtu - headers;
}

/* Make the answer of the SYN in w. Global functions: walked once, with a stack of their own. */
__noinline int guard_reply_tcp(struct pkt_facts *p, struct guard_work *w)
{
	struct tcp_options *t;
	__sum16 check;

	if (!p || !w) /* never; a global function's arguments may be, for the verifier */
		return 0;
	t = &w->t;
	check = t->tcp.check;
	t->tcp.check = 0;
	w->sums.pseudo = guard_sum_pseudo(p, t->bytes);
	w->sums.before = guard_sum_tcp(t);
	guard_reply_options(p, t, &w->answer);
	t->tcp.source = p->flow.dport;
	t->tcp.dest = p->flow.sport;
	t->tcp.seq = bpf_htonl(w->answer.seq);
	t->tcp.ack_seq = bpf_htonl(w->answer.ack);
	t->byte[12] = t->bytes / 4 << 4;
	t->byte[TCP_FLAG_BYTE] = TCP_SYN | TCP_ACK;
	t->tcp.window = bpf_htons(w->answer.window);
	t->tcp.urg_ptr = 0;
	w->sums.after = guard_sum_tcp(t);
	t->tcp.check = check;
	return 0;
}

__noinline int guard_ip_make(struct pkt_facts *p, struct guard_work *w, __u32 tcp_bytes,
			     __u32 answer)
{
	if (p && w)
		guard_ip_fill(p, &w->ip, tcp_bytes, answer);
	return 0;
}

static __always_inline long guard_swap_macs(const struct pkt *p)
{
	__u16 mac[6], back[6];
	long err = frame_load(p->ctx, 0, mac, sizeof(mac));

	if (err)
		return err;
	__builtin_memcpy(back, mac + 3, 6);
	__builtin_memcpy(back + 3, mac, 6);
	return frame_store(p->ctx, 0, back, sizeof(back));
}

/* Turn the frame around, as w->answer says. */
static __always_inline enum stage_result guard_reply(struct pkt *p, struct guard_work *w)
{
	__u32 l2 = p->l2_bytes, ip_bytes = p->flags & PKT_IPV6 ? 40 : 20, bytes = w->t.bytes;

	w->answer.mss = guard_mss(p);
	tcp_option_read(&w->t);
	guard_reply_tcp(&p->facts, w);
	guard_ip_make(&p->facts, w, bytes, true);
	barrier_var(bytes);
	if (bytes < sizeof(struct tcphdr) || bytes > TCP_HEADER_MAX)
		return drop(p, DROP_INTERNAL);
	if (guard_swap_macs(p) || frame_store(p->ctx, l2, &w->ip, ip_bytes) ||
	    frame_store_tcp(p->ctx, l2 + ip_bytes, &w->t.tcp, guard_bound(bytes), &w->sums))
		return drop(p, DROP_INTERNAL);
	return STAGE_REPLY;
}
