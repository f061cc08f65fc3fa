/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The helpers behind the guard, and what they cannot do without: the floors of syncookie-made,
 * syncookie-checked and challenge-made. No parsing, no answer, no counters.
 */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

#define SYN_BYTES 40 /* its options are 20 */

static __always_inline struct bpf_sock *listener(struct xdp_md *ctx, const struct iphdr *ip,
						 const struct tcphdr *tcp)
{
	struct bpf_sock_tuple tuple = {};

	tuple.ipv4.saddr = ip->saddr;
	tuple.ipv4.daddr = ip->daddr;
	tuple.ipv4.sport = tcp->source;
	tuple.ipv4.dport = tcp->dest;
	return bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
}

SEC("xdp.frags")
int cookie_make(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	struct tcphdr *tcp = (void *)(ip + 1);
	struct bpf_sock *sk;
	__s64 cookie;

	if ((void *)tcp + SYN_BYTES > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	sk = listener(ctx, ip, tcp);
	if (!sk)
		return XDP_ABORTED;
	cookie = bpf_tcp_gen_syncookie(sk, ip, sizeof(*ip), tcp, SYN_BYTES);
	bpf_sk_release(sk);
	return cookie < 0 ? XDP_ABORTED : XDP_PASS;
}

SEC("xdp.frags")
int cookie_check(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	struct tcphdr *tcp = (void *)(ip + 1);
	struct bpf_sock *sk;
	long bad;

	if ((void *)(tcp + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	sk = listener(ctx, ip, tcp);
	if (!sk)
		return XDP_ABORTED;
	bad = bpf_tcp_check_syncookie(sk, ip, sizeof(*ip), tcp, sizeof(*tcp));
	bpf_sk_release(sk);
	return bad ? XDP_ABORTED : XDP_PASS;
}

SEC("xdp.frags")
int cookie_raw(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	struct tcphdr *tcp = (void *)(ip + 1);

	if ((void *)tcp + SYN_BYTES > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	return bpf_tcp_raw_gen_syncookie_ipv4(ip, tcp, SYN_BYTES) < 0 ? XDP_ABORTED : XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
