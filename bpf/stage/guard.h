/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * New connections under a flood of SYNs. While the guard of a vip or of this host's listeners is on,
 * nobody's SYN is believed until its source has answered something that only it can have seen:
 *
 *   listeners of this host  the SYN is answered by the kernel's own SYN cookie, from here; the
 *                           acknowledgement goes to the kernel, which makes the connection of it. One
 *                           that a listener gets without a valid cookie is dropped here.
 *   vips (the backend       the SYN is answered by a SYN-ACK whose acknowledgement number nobody asked
 *   answers directly)       for; the source resets that by it (RFC 9293 s3.10.7.3), which proves it,
 *                           and repeats its SYN, which is let through. Or, if so configured, by an
 *                           ordinary one: the acknowledgement proves the source and goes to the
 *                           backend, which resets it.
 *
 * Nothing is kept per SYN. A source that was proven, in this way or another, is left alone.
 *
 * When it is on: guard_switch.h. What a SYN is answered by: guard_reply.h.
 */
#pragma once

#include "../lib/socket.h"
#include "guard_switch.h"
#include "guard_vip.h"

static __always_inline struct bpf_sock *guard_socket(const struct pkt *p)
{
	struct bpf_sock_tuple tuple = {};
	__u32 bytes = socket_tuple(&p->flow, p->flags & PKT_IPV6, &tuple);

	return bpf_skc_lookup_tcp(p->ctx, &tuple, bytes, BPF_F_CURRENT_NETNS, 0);
}

#define GUARD_AF_INET  2
#define GUARD_AF_INET6 10

/*
 * Is the packet for an address of this host, and not on its way through? A listener at the wildcard
 * address is found for all. Where nothing is forwarded, nothing is on its way through.
 */
static __noinline bool guard_is_local(const struct pkt *p)
{
	struct bpf_fib_lookup fib = { .ifindex = p->ifindex, .l4_protocol = PROTO_TCP };
	long found;

	if (p->flags & PKT_IPV6) {
		fib.family = GUARD_AF_INET6;
		__builtin_memcpy(fib.ipv6_src, p->flow.src.w, 16);
		__builtin_memcpy(fib.ipv6_dst, p->flow.dst.w, 16);
	} else {
		fib.family = GUARD_AF_INET;
		fib.ipv4_src = p->flow.src.w[3];
		fib.ipv4_dst = p->flow.dst.w[3];
	}
	found = bpf_fib_lookup(p->ctx, &fib, sizeof(fib), 0);
	return found == BPF_FIB_LKUP_RET_NOT_FWDED || found == BPF_FIB_LKUP_RET_FWD_DISABLED;
}

/* A SYN for a listener of this host. What is not, or cannot be answered, is the host's. */
static __always_inline enum stage_result guard_own_syn(struct pkt *p, const struct guard *g)
{
	struct guard_work *w = guard_work_get();
	struct bpf_sock *sk;
	__s64 cookie = -1;
	__u32 bytes;

	p->guard = GUARD_COUNT_HOST;
	if (!w || !guard_load_syn(p, &w->t))
		return STAGE_NEXT;
	bytes = w->t.bytes;
	barrier_var(bytes);
	guard_ip_make(&p->facts, w, bytes, false);
	sk = guard_socket(p);
	if (!sk)
		return STAGE_NEXT;
	if (explaining && tcp_is_listening(sk->state)) /* the helper writes to the listener */
		cookie = 0;
	else if (tcp_is_listening(sk->state) && bytes >= sizeof(w->t.tcp) &&
		 bytes <= TCP_HEADER_MAX)
		cookie = bpf_tcp_gen_syncookie(sk, &w->ip, sizeof(w->ip), &w->t.tcp,
					       guard_bound(bytes));
	bpf_sk_release(sk);
	if (cookie < 0 || !guard_is_local(p))
		return STAGE_NEXT;
	p->guard = GUARD_COUNT_COOKIE_MADE;
	w->answer.seq = (__u32)cookie;
	w->answer.ack = bpf_ntohl(w->t.tcp.seq) + 1;
	w->answer.window = GUARD_WINDOW;
	w->answer.options = g->options;
	return guard_reply(p, w);
}

/* An acknowledgement: of a connection, or the third packet of one that a cookie stands for? */
static __always_inline enum stage_result guard_own_ack(struct pkt *p)
{
	struct guard_work *w = guard_work_get();
	struct bpf_sock *sk;
	bool bad = false, ok = false;

	if (!w || !guard_load(p, &w->t) || (w->t.byte[TCP_FLAG_BYTE] & (TCP_SYN | TCP_RST_FLAG)))
		return STAGE_NEXT;
	guard_ip_make(&p->facts, w, sizeof(w->t.tcp), false);
	sk = guard_socket(p);
	if (!sk)
		return STAGE_NEXT;
	if (tcp_is_listening(sk->state)) {
		ok = bpf_tcp_check_syncookie(sk, &w->ip, sizeof(w->ip), &w->t.tcp,
					     sizeof(w->t.tcp)) == 0;
		bad = !ok;
	}
	bpf_sk_release(sk);
	if (ok) {
		p->guard = GUARD_COUNT_COOKIE_OK;
		guard_prove(&p->facts);
	}
	if (!bad || !guard_is_local(p))
		return STAGE_NEXT;
	p->guard = GUARD_COUNT_COOKIE_BAD;
	return drop(p, DROP_GUARD_COOKIE);
}

static __noinline int guard_on_syn(struct pkt *p)
{
	__u32 id = p->vip_id;
	struct guard *g = bpf_map_lookup_elem(&guards, &id);

	if (!g || g->mode == GUARD_OFF || !guard_decide(g, pkt_now_coarse(&p->facts)))
		return STAGE_NEXT;
	if (guard_is_proven(p)) {
		p->guard = GUARD_COUNT_PROVEN;
		return STAGE_NEXT;
	}
	if (id == GUARD_OWN)
		return guard_own ? guard_own_syn(p, g) : STAGE_NEXT;
	return guard_vips ? guard_vip_syn(p, g) : STAGE_NEXT;
}

/* Acknowledgements and resets while a guard is on, or was not long ago. */
static __noinline int guard_on_answer(struct pkt *p)
{
	__u64 now = pkt_now_coarse(&p->facts);
	__u32 id = p->vip_id;
	struct guard *g;

	if (now > guard_until_ns) {
		if (!explaining)
			guard_until_ns = 0;
		return STAGE_NEXT;
	}
	g = bpf_map_lookup_elem(&guards, &id);
	if (!g || !guard_is_on(g, now))
		return STAGE_NEXT;
	if (id != GUARD_OWN)
		return guard_vips ? guard_vip_answer(p, g) : STAGE_NEXT;
	return guard_own && !(p->flags & PKT_RST) ? guard_own_ack(p) : STAGE_NEXT;
}

static __always_inline enum stage_result stage_guard(struct pkt *p)
{
	if (!guard_enabled || p->exempt)
		return STAGE_NEXT;
	if (p->flags & PKT_SYN)
		return guard_on_syn(p);
	if ((p->flags & (PKT_ACK | PKT_RST)) && *(volatile __u64 *)&guard_until_ns)
		return guard_on_answer(p);
	return STAGE_NEXT;
}
