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
	__uint(max_entries, SOURCE_V6_LINES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct source_v6_line);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} source_v6_lines SEC(".maps");

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

static __always_inline __u32 acl_v4(__u32 number)
{
	__u32 line = number / SOURCE_LINE_ANSWERS;
	struct source_line *l = bpf_map_lookup_elem(&source_v4, &line);

	return l ? *(volatile __u8 *)&l->answer[number % SOURCE_LINE_ANSWERS] : SOURCE_NONE;
}

static __always_inline __u32 acl_answer_v4(const struct addr *source)
{
	__u32 net = bpf_ntohl(source->w[3]) >> 8, answer = acl_v4(SOURCE_WIDE + (net >> 8));

	if (answer == SOURCE_SPLIT)
		answer = acl_v4(net);
	return answer == SOURCE_SPLIT ? (__u32)acl_split(source) : answer;
}

/* How many bits are set (Hacker's Delight, 5-1). Without branches: the verifier follows each. */
static __always_inline __u32 acl_count_bits(__u64 x)
{
	x -= x >> 1 & 0x5555555555555555;
	x = (x & 0x3333333333333333) + (x >> 2 & 0x3333333333333333);
	x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f;
	return x * 0x0101010101010101 >> 56;
}

/* The prefix of addr of one length, told as in source_v6_line: bit 64 - l. */
static __always_inline struct source_v6_answer *acl_v6_prefix(__u64 addr, __u64 bit)
{
	struct source_v6_key key = { .len_bits = 64 - acl_count_bits(bit - 1) };

	addr &= -bit;
	key.w[0] = bpf_htonl(addr >> 32);
	key.w[1] = bpf_htonl((__u32)addr);
	return bpf_map_lookup_elem(&source_v6, &key);
}

/* Of the lengths of a line, those that its filter does not rule out. Without branches, as above. */
static __always_inline __u64 acl_v6_maybe(const struct source_v6_line *line, __u64 addr)
{
	__u64 lengths = *(const volatile __u64 *)&line->lengths, maybe = 0;
	__u32 i;

	for (i = 0; i < SOURCE_V6_LENGTHS && lengths; i++) {
		__u64 bit = lengths & -lengths, hash = source_v6_hash(addr, bit), lack;
		__u32 word = source_v6_filter_word(hash);

		lengths ^= bit;
		barrier_var(word); /* as an offset made in one step, it would have no known end */
		lack = source_v6_filter_bits(hash) & ~*(const volatile __u64 *)&line->filter[word];
		maybe |= bit & (((lack | -lack) >> 63) - 1);
	}
	return maybe;
}

/* What the longest prefix of a line that covers addr says; -1: none does. At most 33 look-ups. */
__noinline int acl_ask_line(__u64 addr, __u32 at)
{
	struct source_v6_line *line = bpf_map_lookup_elem(&source_v6_lines, &at);
	__u64 maybe = line ? acl_v6_maybe(line, addr) : 0;
	__u32 i;

	for (i = 0; i < SOURCE_V6_LENGTHS && maybe; i++) {
		struct source_v6_answer *a = acl_v6_prefix(addr, maybe & -maybe);

		if (a)
			return *(volatile __u32 *)&a->answer;
		maybe &= maybe - 1;
	}
	return -1;
}

static __always_inline __u64 acl_v6_lengths(__u32 at)
{
	const struct source_v6_line *line = bpf_map_lookup_elem(&source_v6_lines, &at);

	return line ? *(const volatile __u64 *)&line->lengths : 0;
}

__noinline int acl_ask_v6(__u64 addr)
{
	int answer = acl_ask_line(addr, source_v6_line_32(addr));

	if (answer < 0)
		answer = acl_ask_line(addr, source_v6_line_20(addr));
	return answer < 0 ? (int)acl_v6_lengths(SOURCE_V6_REST) : answer;
}

/* Most sources are in no prefix of any list, and need no call. */
static __always_inline __u32 acl_answer_v6(const struct addr *source)
{
	__u64 addr = (__u64)bpf_ntohl(source->w[0]) << 32 | bpf_ntohl(source->w[1]);

	if (acl_v6_lengths(source_v6_line_32(addr)) | acl_v6_lengths(source_v6_line_20(addr)))
		return (__u32)acl_ask_v6(addr);
	return (__u32)acl_v6_lengths(SOURCE_V6_REST);
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
