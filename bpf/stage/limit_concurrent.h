/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Connections at a time. Who makes one here counts it in and out: limit_concurrent_count.h.
 * A source that has all that a class allows it gets no other: its SYNs are dropped, and what would end
 * a handshake that began before. Packets of connections that stand are never touched.
 *
 * What is forwarded to a backend makes no connection here, and is neither counted nor refused; but for
 * what is translated, which counts its flows: nat_open.h.
 *
 * Accepted race: several handshakes of a source that end at the same time see the same count. So many
 * more than allowed get through as there are packets between this look and the socket: those that the
 * CPU hands to the stack together (net.core.gro_normal_batch, 8 of each).
 */
#pragma once

#include "../explain.h"
#include "../lib/socket.h"
#include "limit_concurrent_table.h"

/* Of limit_concurrent_full: bit per scope that is full; and which of these are on trial. */
#define LIMIT_CONCURRENT_TRIAL 16

/* How many of a set's connections one is that has been left: once for each class that it is in. */
static __always_inline __u32 limit_concurrent_left(const struct limit_concurrent_set *set, __u32 at,
						   __u64 is,
						   const struct limit_concurrent_place *left)
{
	__u32 i, number, n = 0;

#pragma unroll
	for (i = 0; i < LIMIT_SET_CLASSES; i++) {
		number = left->word[i];
		if (number && (number - 1) / LIMIT_CONCURRENT_WAYS == at &&
		    limit_concurrent_is(set->word[(number - 1) & (LIMIT_CONCURRENT_WAYS - 1)], is))
			n++;
	}
	return n;
}

static __always_inline bool limit_concurrent_is_full(const struct pkt_facts *p, __u32 id,
						     const struct limit_rates *rates,
						     const struct limit_concurrent_place *left)
{
	__u32 zero = 0, at, way;
	struct limit_state *state = bpf_map_lookup_elem(&limit_state, &zero);
	struct limit_concurrent_set *set;
	__u64 is, word, sum = 0;

	if (!state)
		return false;
	at = limit_concurrent_at(p, state, id, rates->flags, &is);
	set = bpf_map_lookup_elem(&limit_concurrent, &at);
	if (!set)
		return false;
#pragma unroll
	for (way = 0; way < LIMIT_CONCURRENT_WAYS; way++) {
		word = *(volatile __u64 *)&set->word[way];
		if (limit_concurrent_is(word, is))
			sum += word & LIMIT_CONCURRENT_COUNT;
	}
	if (explaining && left && left->generation == state->concurrent_generation)
		sum -= limit_concurrent_left(set, at, is, left);
	return sum >= rates->concurrent;
}

static __always_inline int limit_concurrent_find_full(struct pkt_facts *p,
						      const struct limit_concurrent_place *left)
{
	const struct limit_rates *rates;
	__u32 full = 0, i;

	if (!p) /* never; a global function's argument may be, for the verifier */
		return 0;
	for (i = LIMIT_SCOPE_SET; i < LIMIT_SCOPES; i++) {
		__u32 id = p->limit[i].limit_class;

		if (!id)
			continue;
		rates = limit_concurrent_rates(id);
		if (!rates || !rates->concurrent || !limit_concurrent_is_full(p, id, rates, left))
			continue;
		full |= 1U << i;
		if (rates->flags & LIMIT_DRY_RUN)
			full |= 1U << i << LIMIT_CONCURRENT_TRIAL;
	}
	return full;
}

/* Which of the packet's classes allow its source no more connections. */
__noinline int limit_concurrent_full(struct pkt_facts *p)
{
	return limit_concurrent_find_full(p, NULL);
}

#ifdef EXPLAINS
/* The same, after a connection that the packet would have ended before; NULL: none. */
__noinline int limit_concurrent_full_after(struct pkt_facts *p,
					   const struct limit_concurrent_place *left)
{
	return limit_concurrent_find_full(p, left);
}
#endif

/* Would it be, or become, another connection of this host? */
static __noinline int limit_concurrent_is_new(struct pkt *p)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sk;
	__u32 bytes, state;

	bytes = socket_tuple(&p->flow, p->flags & PKT_IPV6, &tuple);
	sk = bpf_skc_lookup_tcp(p->ctx, &tuple, bytes, BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return 0;
	state = sk->state;
	bpf_sk_release(sk);
	/* An ACK to a listener is that of a SYN cookie, if it is any. */
	if (tcp_is_listening(state) || tcp_is_opening(state))
		return 1;
	/* A SYN may follow a connection that has just ended. */
	return tcp_is_waiting(state) && (p->flags & PKT_SYN);
}

/* Note which classes refuse, or would: enum drop_reason. */
__noinline int limit_concurrent_note(struct pkt_facts *p, __u32 full)
{
	__u32 i;

	if (!p) /* never; a global function's argument may be, for the verifier */
		return DROP_NONE;
	for (i = LIMIT_SCOPE_SET; i < LIMIT_SCOPES; i++) {
		if (!(full >> i & 1))
			continue;
		p->limit[i].unit = LIMIT_CONCURRENT;
		p->limit[i].outcome = LIMIT_DROPPED;
		if (!(full >> i >> LIMIT_CONCURRENT_TRIAL & 1))
			return DROP_LIMIT_CONCURRENT;
		p->limit[i].outcome = LIMIT_WOULD_DROP;
	}
	return DROP_NONE;
}

/* Before meters are asked: a packet that makes no connection spends nothing. */
static __always_inline enum drop_reason limit_concurrent_meet(struct pkt *p)
{
	__u32 zero = 0, full;
	struct limit_state *state;

	if (p->proto != PROTO_TCP || p->vip_id || (p->flags & (PKT_FRAGMENT | PKT_RST)) ||
	    !(p->flags & (PKT_SYN | PKT_ACK)))
		return DROP_NONE;
	state = bpf_map_lookup_elem(&limit_state, &zero);
	if (!state || !*(volatile __u32 *)&state->has_concurrent)
		return DROP_NONE;
	full = limit_concurrent_full(&p->facts);
	if (!full || !limit_concurrent_is_new(p))
		return DROP_NONE;
	return limit_concurrent_note(&p->facts, full);
}
