/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Hand a connection to a listener of the agent, by the address and port that it is for
 * (abi/steer.h). Not a stage of packets: the kernel asks once for each that has no socket yet.
 *
 * Accepted race: while a reload replaces records one by one, a connection meets the old rules or the
 * new ones, never a mixture (user/dataplane/steer_map.c has the order).
 */
#pragma once

#include <vmlinux.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "lib/proto.h"
#include "sluice/abi/addr.h"
#include "sluice/abi/flow_hash.h"
#include "sluice/abi/steer.h"

#define STEER_FAMILY_V4 2 /* AF_INET */
#define STEER_TRIES	4 /* sockets that are asked for, one slot after another */

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, STEER_PREFIXES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix);
	__type(value, struct steer_prefix);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} steer_prefixes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, STEER_LISTENERS_MAX);
	__type(key, __u32);
	__type(value, struct steer_listener);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} steer_listeners SEC(".maps");

/* Values of eight bytes: user space reads a socket's cookie there. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, STEER_LISTENERS_MAX *STEER_SLOTS_MAX);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} steer_sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, STEER_LISTENERS_MAX);
	__type(key, __u32);
	__type(value, struct stats_steer);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} stats_steer SEC(".maps");

/*
 * What the family has not is zero, so that the two need no branch: clang would make it one of pointers
 * into the context, which the verifier refuses.
 */
static __always_inline void steer_flow(const struct bpf_sk_lookup *ctx, struct flow_key *ret)
{
	const __be32 mapped = ctx->family == STEER_FAMILY_V4 ? bpf_htonl(0xffff) : 0;

	ret->src.w[0] = ctx->remote_ip6[0];
	ret->src.w[1] = ctx->remote_ip6[1];
	ret->src.w[2] = ctx->remote_ip6[2] | mapped;
	ret->src.w[3] = ctx->remote_ip6[3] | ctx->remote_ip4;
	ret->dst.w[0] = ctx->local_ip6[0];
	ret->dst.w[1] = ctx->local_ip6[1];
	ret->dst.w[2] = ctx->local_ip6[2] | mapped;
	ret->dst.w[3] = ctx->local_ip6[3] | ctx->local_ip4;
	ret->sport = ctx->remote_port;
	ret->dport = bpf_htons(ctx->local_port);
	ret->proto = PROTO_TCP;
}

/*
 * Which range has the port, from 1; 0: none. By bisection: the last one that begins at most there. A
 * function of its own, so that the verifier forgets the ways through it.
 */
__noinline int steer_find(const struct steer_prefix *p, __u32 port)
{
	__u32 low = 0, high; /* the answer is in front of high, and not in front of low */
	int i;

	if (!p)
		return 0;
	high = p->n < STEER_RANGES_MAX ? p->n : STEER_RANGES_MAX;
	for (i = 0; i <= STEER_RANGES_BITS; i++) {
		__u32 middle = (low + high) / 2;

		if (low >= high)
			break;
		if (p->range[middle & (STEER_RANGES_MAX - 1)].first <= port)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || port > p->range[(low - 1) & (STEER_RANGES_MAX - 1)].last)
		return 0;
	return (int)low;
}

/* All sockets of a listener are there or none is, but for the moment in which they are replaced. */
static __always_inline struct bpf_sock *steer_socket(__u32 index, __u32 slots, __u64 hash)
{
	__u32 slot = flow_hash_slot(hash, slots);
	int i;

	for (i = 0; i < STEER_TRIES; i++) {
		__u32 key = index * STEER_SLOTS_MAX + slot % STEER_SLOTS_MAX;
		struct bpf_sock *sk = bpf_map_lookup_elem(&steer_sockets, &key);

		if (sk)
			return sk;
		slot = slot + 1 < slots ? slot + 1 : 0;
	}
	return NULL;
}

static __always_inline int steer_to(struct bpf_sk_lookup *ctx, const struct steer_range *range,
				    const struct flow_key *flow)
{
	__u32 index = range->listener;
	const struct steer_listener *l = bpf_map_lookup_elem(&steer_listeners, &index);
	struct stats_steer *stats = bpf_map_lookup_elem(&stats_steer, &index);
	struct bpf_sock *sk = NULL;
	long err;

	if (!l || !stats) /* STEER_NOBODY is behind the end of both */
		return SK_PASS;
	if (l->slots && l->slots <= STEER_SLOTS_MAX)
		sk = steer_socket(index, l->slots, flow_hash(flow, l->seed));
	if (!sk) {
		if (range->absent == STEER_ABSENT_PASS) {
			stats->passed++;
			return SK_PASS;
		}
		stats->no_listener++;
		return SK_DROP;
	}
	/* The slot is chosen: the group's own choice among its sockets would undo it. */
	err = bpf_sk_assign(ctx, sk, BPF_SK_LOOKUP_F_NO_REUSEPORT);
	bpf_sk_release(sk);
	if (err) {
		stats->refused++;
		return SK_DROP;
	}
	stats->steered++;
	return SK_PASS;
}

static __always_inline int steer(struct bpf_sk_lookup *ctx)
{
	struct flow_key flow = {};
	struct prefix key = { .len_bits = 128 };
	const struct steer_prefix *p;
	__u32 found;

	if (ctx->protocol != PROTO_TCP)
		return SK_PASS;
	steer_flow(ctx, &flow);
	key.addr = flow.dst;
	p = bpf_map_lookup_elem(&steer_prefixes, &key);
	found = p ? (__u32)steer_find(p, ctx->local_port) : 0;
	if (!found)
		return SK_PASS;
	found = (found - 1) & (STEER_RANGES_MAX - 1);
	return steer_to(ctx, &p->range[found], &flow);
}
