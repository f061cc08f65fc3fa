/* SPDX-License-Identifier: BSD-2-Clause */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "dataplane_state.h"
#include "drop_cache_map.h"
#include "sluice/abi/client.h"
#include "sluice/abi/drop_reason.h"

/* An entry settles once a tick, and a reading takes some ten microseconds. */
#define READ_TRIES 8

int drop_cache_map_open(struct dataplane *dp)
{
	if (getrandom(&dp->drop_cache_factor, sizeof(dp->drop_cache_factor), 0) !=
	    sizeof(dp->drop_cache_factor))
		return -EIO;
	dp->drop_cache_factor |= 1;
	return 0;
}

void drop_cache_map_forget(struct dataplane *dp)
{
	struct drop_cache_state *state = pinned_map_mem(dp, "drop_cache_state");

	/* Sequentially consistent: what was written before is seen by who sees the new number. */
	if (state)
		__atomic_add_fetch(&state->generation, 1, __ATOMIC_SEQ_CST);
}

void drop_cache_map_no_verdicts(struct dataplane *dp, bool none)
{
	struct drop_cache_state *state = pinned_map_mem(dp, "drop_cache_state");

	if (state)
		__atomic_store_n(&state->no_verdicts, none, __ATOMIC_SEQ_CST);
}

/* All slots of all CPUs. */
static int read_all(struct dataplane *dp, struct drop_cache_entry **ret, size_t *ret_n)
{
	int fd = pinned_map_fd(dp, "drop_cache"), cpus = libbpf_num_possible_cpus();
	CLEANUP_FREE struct drop_cache_entry *entries = NULL;
	uint32_t keys[DROP_CACHE_SLOTS], n = DROP_CACHE_SLOTS, next;

	if (fd < 0 || cpus < 1)
		return fd < 0 ? fd : -EINVAL;
	entries = calloc((size_t)cpus * DROP_CACHE_SLOTS, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	if (bpf_map_lookup_batch(fd, NULL, &next, keys, entries, &n, NULL) && errno != ENOENT)
		return -errno;
	*ret_n = (size_t)cpus * n;
	*ret = take_ptr(&entries);
	return 0;
}

static bool has_hits(const struct drop_cache_entry *e)
{
	return e->reason == DROP_VERDICT_SOURCE && e->hits;
}

int drop_cache_map_hits(struct dataplane *dp, struct drop_cache_entry **ret, size_t *ret_n)
{
	struct drop_cache_entry *entries = NULL;
	size_t all = 0, n = 0, i;
	int err = read_all(dp, &entries, &all);

	for (i = 0; !err && i < all; i++) {
		if (has_hits(&entries[i]))
			entries[n++] = entries[i];
	}
	if (!err) {
		*ret = entries;
		*ret_n = n;
	}
	return err;
}

bool drop_cache_map_is_of(const struct drop_cache_entry *e, const struct verdict_key *key)
{
	struct addr source = { 0 };
	uint32_t len_bits = CLIENT_UNIT_BITS_V6;

	if (!has_hits(e))
		return false;
	source.w[e->is_v6 ? 0 : 2] = (uint32_t)(e->source >> 32);
	source.w[e->is_v6 ? 1 : 3] = (uint32_t)e->source;
	if (e->is_v6)
		len_bits = e->is_wide ? CLIENT_WIDE_BITS_V6 : CLIENT_UNIT_BITS_V6;
	else
		len_bits = ADDR_V4_BITS + (e->is_wide ? CLIENT_WIDE_BITS_V4 : CLIENT_UNIT_BITS_V4);
	source = addr_mask(&source, len_bits);
	return key->len_bits == len_bits && addr_eq(&source, &key->addr);
}

/* The hits of a verdict, unless one of its entries was settled or replaced between the two readings. */
static bool add_hits(const struct drop_cache_entry *before, const struct drop_cache_entry *after,
		     size_t n, const struct verdict_key *key, uint64_t *ret)
{
	uint64_t hits = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (!drop_cache_map_is_of(&before[i], key))
			continue;
		if (before[i].settled != after[i].settled)
			return false;
		hits += before[i].hits;
	}
	*ret += hits;
	return true;
}

int drop_cache_map_verdict(struct dataplane *dp, const struct verdict_key *key, struct verdict *ret)
{
	int fd = pinned_map_fd(dp, "verdict_source"), err = fd < 0 ? fd : 0, i;
	struct verdict v;
	bool whole = false;

	for (i = 0; !err && !whole && i < READ_TRIES; i++) {
		CLEANUP_FREE struct drop_cache_entry *before = NULL, *after = NULL;
		size_t n = 0;

		err = read_all(dp, &before, &n);
		if (!err && bpf_map_lookup_elem(fd, key, &v))
			err = -errno;
		if (!err)
			err = read_all(dp, &after, &n);
		if (!err)
			whole = add_hits(before, after, n, key, (uint64_t *)&v.dropped_packets);
	}
	if (!err)
		*ret = v;
	return err;
}
