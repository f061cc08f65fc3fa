/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Prefixes in 16 bytes each, in sorted vectors: by address, then by length, so that a prefix comes
 * before what it contains, and what it contains follows without a gap.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice/abi/addr.h"

#define SOURCE_NET_BITS_V4 32
#define SOURCE_NET_BITS_V6 64

struct source_net {
	uint64_t addr; /* host order: first half of an IPv6 address; IPv4 in the upper 32 bits */
	uint8_t len;   /* 0..32 or 0..64 */
	uint8_t tag;   /* the owner's: a group, an answer, a mark */
};

struct source_nets {
	struct source_net *v;
	size_t n;
	size_t room;
};

static inline uint64_t source_net_mask(uint64_t addr, uint32_t len)
{
	return len ? addr & (~0ULL << (64 - len)) : 0;
}

static inline uint64_t source_net_last(const struct source_net *net)
{
	return net->len < 64 ? net->addr | (~0ULL >> net->len) : net->addr;
}

static inline bool source_net_contains(const struct source_net *net, const struct source_net *other)
{
	return other->len >= net->len && source_net_mask(other->addr, net->len) == net->addr;
}

/* Negative, 0 or positive, as vectors are sorted; tags are not compared. */
static inline int source_net_cmp(const struct source_net *a, const struct source_net *b)
{
	if (a->addr != b->addr)
		return a->addr < b->addr ? -1 : 1;
	return (int)a->len - (int)b->len;
}

/* Host bits are cleared. -EINVAL: an IPv6 prefix longer than /64. */
int source_net_from(const struct prefix *p, bool *ret_v4, struct source_net *ret);
struct prefix source_net_to(const struct source_net *net, bool v4);

/* A list of both families. */
struct source_pair {
	struct source_nets v4;
	struct source_nets v6;
};

void source_pair_clear(struct source_pair *pair);
/* Host bits are cleared. -EINVAL: an IPv6 prefix longer than /64; -ENOMEM. */
int source_pair_push(struct source_pair *pair, const struct prefix *p, uint8_t tag);
int source_pair_sort(struct source_pair *pair);

void source_nets_clear(struct source_nets *s);
int source_nets_push(struct source_nets *s, const struct source_net *net); /* at the end; -ENOMEM */
/* Sort; of equal prefixes the one that was pushed last stays. */
int source_nets_sort(struct source_nets *s);
/* Where the first one is that does not sort before net; n if there is none. */
size_t source_nets_lower(const struct source_nets *s, const struct source_net *net);
/* Behind the last one that sorts as if inside net. */
size_t source_nets_end(const struct source_nets *s, const struct source_net *net);
/* NULL: this very prefix is not in it. */
struct source_net *source_nets_find(const struct source_nets *s, const struct source_net *net);
/* The prefix of this length that covers addr. */
struct source_net *source_nets_cover(const struct source_nets *s, uint64_t addr, uint32_t len);
int source_nets_insert(struct source_nets *s,
		       const struct source_net *net); /* not in it; -ENOMEM */
void source_nets_remove(struct source_nets *s, size_t i);
