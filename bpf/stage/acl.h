/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the lists say of the source: allowed (exempt from verdicts and limits too), denied, or the
 * group of limits that its prefix is in. The tables have one answer per IPv4 /24 and are asked for
 * every packet: nothing is cached, so nothing has to be told of a change.
 */
#pragma once

#include "../client.h"
#include "sluice/abi/source.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SOURCE_LINES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct source_line);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} source_v4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct source_split);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} source_split SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix);
	__type(value, struct source_group);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} source_long SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct source_v6_key);
	__type(value, struct source_v6_answer);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} source_v6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SOURCE_V6_WORDS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} source_v6_lengths SEC(".maps");

/* A /24 with longer prefixes in it. Rare: a function, so that the common path stays short. */
static __noinline int acl_split(const struct addr *source)
{
	__u32 host = bpf_ntohl(source->w[3]);
	__u32 net = host >> 8, word = host >> 6 & 3;
	struct source_split *split = bpf_map_lookup_elem(&source_split, &net);
	struct prefix at = { .len_bits = 128 };
	struct source_group *longer;

	/* Taken away while we came from its line, which by now has another answer. */
	if (!split)
		return SOURCE_NONE;
	if (split->allow[word] >> (host & 63) & 1)
		return SOURCE_ALLOW;
	if (split->deny[word] >> (host & 63) & 1)
		return SOURCE_DENY;
	if (!split->longer)
		return split->rest;
	at.addr = *source;
	longer = bpf_map_lookup_elem(&source_long, &at);
	return longer ? longer->group : split->rest;
}

static __always_inline __u32 acl_answer_v4(const struct addr *source)
{
	__u32 net = bpf_ntohl(source->w[3]) >> 8;
	__u32 line = net / SOURCE_LINE_ANSWERS;
	struct source_line *l = bpf_map_lookup_elem(&source_v4, &line);
	__u32 answer;

	if (!l)
		return SOURCE_NONE;
	answer = *(volatile __u8 *)&l->answer[net % SOURCE_LINE_ANSWERS];
	return answer == SOURCE_SPLIT ? acl_split(source) : answer;
}

/* Number of the highest bit that is set; x is not 0. Without branches: the verifier follows each. */
static __always_inline __u32 acl_highest_bit(__u64 x)
{
	__u32 step;

#pragma unroll
	for (step = 1; step < 64; step *= 2)
		x |= x >> step;
	/* All bits up to it are set now: count them (Hacker's Delight, s5-1), less one. */
	x -= x >> 1 & 0x5555555555555555;
	x = (x & 0x3333333333333333) + (x >> 2 & 0x3333333333333333);
	x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f;
	return (x * 0x0101010101010101 >> 56) - 1;
}

static __always_inline void acl_v6_key(const struct addr *source, __u64 mask, __u32 len_bits,
				       struct source_v6_key *ret)
{
	ret->w[0] = source->w[0] & bpf_htonl(mask >> 32);
	ret->w[1] = source->w[1] & bpf_htonl((__u32)mask);
	ret->len_bits = len_bits;
}

static __always_inline __u64 acl_v6_word(__u32 at)
{
	const __u64 *word = bpf_map_lookup_elem(&source_v6_lengths, &at);

	return word ? *(const volatile __u64 *)word : 0;
}

/* The longest of the lengths that may cover the source, until one does: at most 64 look-ups. */
__noinline int acl_ask_v6(const struct addr *source, __u64 lengths)
{
	struct source_v6_key key = {};
	struct source_v6_answer *a;
	__u32 i;

	if (!source) /* never; a global function's argument may be, for the verifier */
		return SOURCE_NONE;
	for (i = 0; i < CLIENT_UNIT_BITS_V6 && lengths; i++) {
		__u32 bit = acl_highest_bit(lengths);

		acl_v6_key(source, ~0ULL << (63 - bit & 63), bit + 1, &key);
		a = bpf_map_lookup_elem(&source_v6, &key);
		if (a)
			return *(volatile __u32 *)&a->answer;
		lengths &= ~(1ULL << (bit & 63));
	}
	return (int)acl_v6_word(SOURCE_V6_BUCKETS);
}

/* Most sources are in no prefix of any list, and need no call. */
static __always_inline __u32 acl_answer_v6(const struct addr *source)
{
	__u64 lengths = acl_v6_word(source_v6_bucket(source->w[0]));

	return lengths ? (__u32)acl_ask_v6(source, lengths) : (__u32)acl_v6_word(SOURCE_V6_BUCKETS);
}

/* Note what the lists say of the source; is it denied? */
static __always_inline bool acl_denies(struct pkt *p)
{
	struct addr source = p->source;
	__u32 answer;

	answer = p->flags & PKT_IPV6 ? acl_answer_v6(&source) : acl_answer_v4(&source);
	if (answer == SOURCE_DENY)
		return true;
	if (answer == SOURCE_ALLOW)
		p->exempt = 1;
	else
		p->group = answer;
	return false;
}

static __always_inline enum stage_result stage_acl(struct pkt *p)
{
	if (!acl_enabled)
		return STAGE_NEXT;
	return acl_denies(p) ? drop(p, DROP_ACL_DENY) : STAGE_NEXT;
}

/* On the way out: whom the lists deny is sent to all the same, as one of no group. */
static __always_inline enum stage_result stage_acl_egress(struct pkt *p)
{
	if (acl_enabled)
		acl_denies(p);
	return STAGE_NEXT;
}
