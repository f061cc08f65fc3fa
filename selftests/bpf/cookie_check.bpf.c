// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Asks the kernel whether a number is one of its SYN cookies: what selftests/model believes about
 * cookies, which nobody else can know. The packet is the question, XDP_PASS says yes.
 */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#include "cookie_check.h"
#include "lib/socket.h"

static __always_inline void cookie_headers(const struct cookie_question *q, struct iphdr *v4,
					   struct ipv6hdr *v6, struct tcphdr *tcp)
{
	v4->version = 4;
	v4->ihl = 5;
	v4->saddr = q->flow.src.w[3];
	v4->daddr = q->flow.dst.w[3];
	v6->version = 6;
	__builtin_memcpy(&v6->saddr, q->flow.src.w, 16);
	__builtin_memcpy(&v6->daddr, q->flow.dst.w, 16);
	tcp->source = q->flow.sport;
	tcp->dest = q->flow.dport;
	tcp->seq = bpf_htonl(q->seq);
	tcp->ack_seq = bpf_htonl(q->ack);
	tcp->doff = 5;
	tcp->ack = 1;
}

SEC("xdp")
int cookie_check(struct xdp_md *ctx)
{
	struct cookie_question *at = (void *)(long)ctx->data, q;
	struct bpf_sock_tuple tuple = {};
	struct tcphdr tcp = {};
	struct ipv6hdr v6 = {};
	struct iphdr v4 = {};
	struct bpf_sock *sk;
	long no;

	if ((void *)(at + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	q = *at;
	cookie_headers(&q, &v4, &v6, &tcp);
	if (!q.listener) {
		no = q.ipv6 ? bpf_tcp_raw_check_syncookie_ipv6(&v6, &tcp)
			    : bpf_tcp_raw_check_syncookie_ipv4(&v4, &tcp);
		return no ? XDP_DROP : XDP_PASS;
	}
	sk = bpf_skc_lookup_tcp(ctx, &tuple, socket_tuple(&q.flow, q.ipv6, &tuple),
				BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return XDP_ABORTED;
	no = q.ipv6 ? bpf_tcp_check_syncookie(sk, &v6, sizeof(v6), &tcp, sizeof(tcp))
		    : bpf_tcp_check_syncookie(sk, &v4, sizeof(v4), &tcp, sizeof(tcp));
	bpf_sk_release(sk);
	return no ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
