/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The response factor: UDP from a client gives it credit on the way in, answers spend it on the way
 * out, where the packet is turned (egress.h) and so has the same source and destination.
 *
 * Fragments have no ports: those to and from an address with such services count for it, whatever
 * their port. Else all of an answer but its first fragment would go out for nothing.
 *
 * Credit is only ever lost by a race or for room: two CPUs that meet a new client both give it a word,
 * each with its own packet's credit.
 */
#pragma once

#include "../client.h"
#include "../explain.h"
#include "../lib/proto.h"
#include "sluice/abi/response.h"

#define RESPONSE_TRIES	   4
#define RESPONSE_NS_PER_S  1000000000ULL
#define RESPONSE_WAYS_MASK (RESPONSE_WAYS - 1)

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct response_key);
	__type(value, struct response_service);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} response_service SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct response_state);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} response_state SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 262144);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} response_credit SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stats_response);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} stats_response SEC(".maps");

/* Where the credit of a client at an address is, and what it looks like. */
struct response_place {
	__u32 first; /* of the words of its set */
	__u64 tag;   /* as in the word, never 0 */
	__u64 second;
};

static __always_inline struct response_service *response_find(const struct pkt_facts *p)
{
	struct response_key key = {};

	key.address = p->flow.dst;
	if (!(p->flags & PKT_FRAGMENT))
		key.port = p->flow.dport;
	return bpf_map_lookup_elem(&response_service, &key);
}

static __always_inline void response_locate(struct pkt_facts *p, const struct response_state *state,
					    struct response_place *ret)
{
	struct addr unit;
	__u32 word[6];

	client_unit(p, &unit);
	/* An IPv4 address and an IPv6 /64 are told apart by 64 bits each. */
	word[0] = p->flags & PKT_IPV6 ? unit.w[0] : unit.w[2];
	word[1] = p->flags & PKT_IPV6 ? unit.w[1] : unit.w[3];
	word[2] = p->flow.dst.w[0];
	word[3] = p->flow.dst.w[1];
	word[4] = p->flow.dst.w[2];
	word[5] = p->flow.dst.w[3];
	ret->first = (__u64)response_hash(state->key.set, word) << (state->set_bits & 31) >> 32;
	ret->first *= RESPONSE_WAYS;
	ret->tag = (__u64)(response_hash(state->key.tag, word) >> 8 | 1) << RESPONSE_TAG_SHIFT;
	ret->second = pkt_now_coarse(p) / RESPONSE_NS_PER_S & 0xff;
}

static __always_inline __u64 *response_word(const struct response_place *at, __u32 way)
{
	__u32 index = at->first + way;

	return bpf_map_lookup_elem(&response_credit, &index);
}

static __always_inline bool response_is_its(const struct response_place *at, __u64 word)
{
	return word >> RESPONSE_TAG_SHIFT == at->tag >> RESPONSE_TAG_SHIFT;
}

/* The word that has its tag and so much credit; else, for more credit, the one to take. NULL: none. */
static __always_inline __u64 *response_pick(const struct response_place *at, __u64 least,
					    bool may_take, __u64 *seen)
{
	__u64 *word, *pick = NULL, value, age, oldest = 0;
	__u32 way;

#pragma unroll
	for (way = 0; way < RESPONSE_WAYS; way++) {
		word = response_word(at, way);
		if (!word)
			return NULL;
		value = *(volatile __u64 *)word;
		if (response_is_its(at, value) && (value & RESPONSE_CREDIT_MASK) >= least) {
			*seen = value;
			return word;
		}
		/* An empty word is older than all. */
		age = value ? ((at->second - (value >> RESPONSE_AGE_SHIFT)) & 0xff) + 1 : 257;
		if (may_take && age > oldest) {
			oldest = age;
			pick = word;
			*seen = value;
		}
	}
	return pick;
}

static __always_inline __u64 response_more(const struct response_place *at, __u64 seen, __u64 bytes)
{
	__u64 credit = bytes;

	if (response_is_its(at, seen))
		credit += seen & RESPONSE_CREDIT_MASK;
	if (credit > RESPONSE_CREDIT_MASK)
		credit = RESPONSE_CREDIT_MASK;
	return at->tag | at->second << RESPONSE_AGE_SHIFT | credit;
}

/* Give the client credit for what it sent. Returns 0. */
__noinline int response_give(struct pkt_facts *p)
{
	struct response_service *service;
	struct response_place at;
	struct response_state *state;
	struct stats_response *stats;
	__u64 *word, seen = 0, bytes;
	__u32 zero = 0, i;

	if (!p) /* never; a global function's argument may be, for the verifier */
		return 0;
	state = bpf_map_lookup_elem(&response_state, &zero);
	stats = bpf_map_lookup_elem(&stats_response, &zero);
	service = response_find(p);
	if (!state || !stats || !service)
		return 0;
	stats->asked_bytes += p->wire_bytes;
	bytes = (__u64)p->wire_bytes * service->factor;
	response_locate(p, state, &at);
	for (i = 0; i < RESPONSE_TRIES; i++) {
		word = response_pick(&at, 0, true, &seen);
		if (!word)
			return 0;
		if (__sync_val_compare_and_swap(word, seen, response_more(&at, seen, bytes)) !=
		    seen)
			continue;
		if (seen && !response_is_its(&at, seen))
			stats->forgotten++;
		return 0;
	}
	return 0;
}

/* Pay for an answer: 1 if its client has the credit. */
__noinline int response_pay(struct pkt_facts *p)
{
	struct response_service *service;
	struct response_place at;
	struct response_state *state;
	struct stats_response *stats;
	__u64 *word, seen = 0;
	__u32 zero = 0, i;

	if (!p) /* never; a global function's argument may be, for the verifier */
		return 1;
	state = bpf_map_lookup_elem(&response_state, &zero);
	stats = bpf_map_lookup_elem(&stats_response, &zero);
	service = response_find(p);
	if (!state || !stats || !service)
		return 1;
	response_locate(p, state, &at);
	for (i = 0; i < RESPONSE_TRIES; i++) {
		word = response_pick(&at, p->wire_bytes, false, &seen);
		if (!word)
			break;
		if (__sync_val_compare_and_swap(word, seen, seen - p->wire_bytes) == seen) {
			stats->answered_bytes += p->wire_bytes;
			return 1;
		}
	}
	if (!(service->flags & RESPONSE_DRY_RUN))
		return 0;
	stats->would_drop_packets += p->packets;
	stats->answered_bytes += p->wire_bytes;
	return 1;
}

static __always_inline bool response_is_asked(const struct pkt *p)
{
	__u32 zero = 0;
	struct response_state *state;

	if (!response_enabled || p->proto != PROTO_UDP)
		return false;
	state = bpf_map_lookup_elem(&response_state, &zero);
	return state && *(volatile __u32 *)&state->enabled;
}

/* On the way in. */
static __always_inline enum stage_result stage_response(struct pkt *p)
{
	if (!response_is_asked(p))
		return STAGE_NEXT;
	if (!explaining)
		response_give(&p->facts);
	else if (response_find(&p->facts))
		explain_answers();
	return STAGE_NEXT;
}

/* On the way out. */
static __always_inline enum stage_result stage_response_egress(struct pkt *p)
{
	if (response_is_asked(p) && !response_pay(&p->facts))
		return drop(p, DROP_RESPONSE_FACTOR);
	return STAGE_NEXT;
}
