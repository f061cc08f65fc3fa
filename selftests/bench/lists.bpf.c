/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Is a source in a list of prefixes? Three structures that can say it, each in a program that does
 * nothing else, and one that only makes the source up, which is another one each time.
 */
#include "pipeline.h"
#include "stage/acl.h"

#include "lists.h"

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct lists_key);
	__type(value, __u32);
} list_lpm SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct lists_key);
	__type(value, __u32);
} list_hash SEC(".maps");

const volatile bool is_v6;
const volatile __u32 series;
__u64 lengths; /* bit 64 - len_bits: list_hash has prefixes of that length; host bits of none */
__u32 count;

static __always_inline void next_source(struct lists_key *ret)
{
	__u32 w[2];

	lists_address(series, count++ & 0xfffff, is_v6, w);
	ret->w[0] = bpf_htonl(w[0]);
	ret->w[1] = bpf_htonl(w[1]);
}

SEC("xdp")
int list_none(struct xdp_md *ctx)
{
	struct lists_key key;

	(void)ctx;
	next_source(&key);
	return key.w[0] == ~0U ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int list_tables(struct xdp_md *ctx)
{
	struct addr source = {};
	struct lists_key key;
	__u32 answer;

	(void)ctx;
	next_source(&key);
	if (is_v6) {
		source.w[0] = key.w[0];
		source.w[1] = key.w[1];
		answer = acl_answer_v6(&source);
	} else {
		source.w[2] = bpf_htonl(0xffff);
		source.w[3] = key.w[0];
		answer = acl_answer_v4(&source);
	}
	return answer == SOURCE_DENY ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int list_trie(struct xdp_md *ctx)
{
	struct lists_key key = { .len_bits = is_v6 ? 64 : 32 };

	(void)ctx;
	next_source(&key);
	return bpf_map_lookup_elem(&list_lpm, &key) ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int list_lengths(struct xdp_md *ctx)
{
	struct lists_key source, key;
	__u64 rest = lengths;
	__u32 i;

	(void)ctx;
	next_source(&source);
	for (i = 0; i < 64 && rest; i++) {
		__u64 bit = rest & -rest, mask = -bit;

		key.len_bits = 64 - acl_count_bits(bit - 1);
		key.w[0] = source.w[0] & bpf_htonl(mask >> 32);
		key.w[1] = source.w[1] & bpf_htonl((__u32)mask);
		if (bpf_map_lookup_elem(&list_hash, &key))
			return XDP_DROP;
		rest ^= bit;
	}
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
