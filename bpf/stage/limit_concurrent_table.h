/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table of connections at a time, and where a source is in it. */
#pragma once

#include "limit_meter.h"
#include "sluice/abi/limit_concurrent.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8192);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct limit_concurrent_set);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} limit_concurrent SEC(".maps");

static __always_inline const struct limit_rates *limit_concurrent_rates(__u32 id)
{
	struct limit_class *class = bpf_map_lookup_elem(&limit_class, &id);

	return class ? &class->rates[*(volatile __u32 *)&class->active & 1] : NULL;
}

/* Which set a source has in a class, and its word there without a count. */
static __always_inline __u32 limit_concurrent_at(const struct pkt_facts *p,
						 const struct limit_state *state, __u32 id,
						 __u32 flags, __u64 *ret_word)
{
	bool is_v6 = p->flags & PKT_IPV6;
	struct addr unit;

	limit_unit_of(p, flags, &unit);
	return limit_concurrent_hash(&state->concurrent_key, limit_concurrent_sets,
				     is_v6 ? unit.w[0] : unit.w[2], is_v6 ? unit.w[1] : unit.w[3],
				     id, ret_word);
}
