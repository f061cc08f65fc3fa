/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The supervisor is the only writer. A bit of the filter is set before the verdict is written; bits
 * that nothing needs any more are cleared by the sweep, which reads all verdicts anyway. The word that says
 * that there are none is treated likewise, around the filter: told of a verdict first, cleared last.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "dataplane_state.h"
#include "drop_cache_map.h"
#include "sluice/abi/client.h"
#include "verdict_map.h"

#define UNIT_BITS_V4 (ADDR_V4_BITS + CLIENT_UNIT_BITS_V4)

static uint32_t unit_bits(const struct addr *a)
{
	return addr_is_v4(a) ? UNIT_BITS_V4 : CLIENT_UNIT_BITS_V6;
}

static int source_key(const struct prefix *p, struct verdict_key *ret)
{
	bool v4 = addr_is_v4(&p->addr);

	if (v4 ? p->len_bits != 128 && p->len_bits != 120 : p->len_bits != 64 && p->len_bits != 48)
		return -EINVAL;
	ret->len_bits = p->len_bits;
	ret->addr = addr_mask(&p->addr, p->len_bits);
	return 0;
}

static struct verdict_key unit_key(const struct addr *source)
{
	return (struct verdict_key) { unit_bits(source), addr_unit(source) };
}

static int get(int fd, const void *key, struct verdict *ret)
{
	return bpf_map_lookup_elem(fd, key, ret) ? -errno : 0;
}

/* A full hash says E2BIG. */
static int put(struct dataplane *dp, int fd, const void *key, const struct verdict *v)
{
	if (bpf_map_update_elem(fd, key, v, BPF_ANY) == 0)
		return 0;
	if (errno != E2BIG && errno != ENOSPC && errno != ENOMEM)
		return -errno;
	dp->verdicts_refused++;
	return -ENOSPC;
}

/* Before the verdict is written: packets without the bit do not ask for one. */
static int filter_set(struct dataplane *dp, const struct addr *source, enum verdict_filter_bit bit)
{
	struct verdict_filter *f = pinned_map_mem(dp, "verdict_filter");

	if (!f)
		return -ENOMEM;
	__atomic_fetch_or(&f->bucket[verdict_filter_bucket(source)], (uint8_t)bit,
			  __ATOMIC_RELEASE);
	drop_cache_map_no_verdicts(dp, false);
	return 0;
}

/* Set or replace; what the old one has dropped is kept. */
static int set(struct dataplane *dp, int fd, const void *key, const struct addr *source,
	       enum verdict_filter_bit bit, struct verdict *v)
{
	struct verdict old;
	int err;

	if (v->action != VERDICT_DROP && v->action != VERDICT_DROP_NEW)
		return -EINVAL;
	if (get(fd, key, &old) == 0)
		v->dropped_packets = old.dropped_packets;
	err = filter_set(dp, source, bit);
	if (!err)
		err = put(dp, fd, key, v);
	if (err)
		dp->verdict_filter_exact = false;
	drop_cache_map_forget(dp);
	return err;
}

int verdict_map_set(struct dataplane *dp, const struct prefix *source, enum verdict_action action,
		    enum verdict_reason reason, uint64_t until_ns)
{
	struct verdict v = { .until_ns = until_ns,
			     .since_ns = clock_now_ns(),
			     .action = (uint8_t)action,
			     .reason = (uint8_t)reason };
	int fd = pinned_map_fd(dp, "verdict_source"), err;
	struct verdict_key key;

	if (fd < 0)
		return fd;
	err = source_key(source, &key);
	return err ? err : set(dp, fd, &key, &key.addr, VERDICT_FILTER_SOURCE, &v);
}

int verdict_map_set_flow(struct dataplane *dp, const struct flow_key *flow,
			 enum verdict_action action, enum verdict_reason reason, uint64_t until_ns)
{
	struct verdict v = { .until_ns = until_ns,
			     .since_ns = clock_now_ns(),
			     .action = (uint8_t)action,
			     .reason = (uint8_t)reason };
	int fd = pinned_map_fd(dp, "verdict_flow");
	struct flow_key key = *flow;

	if (fd < 0)
		return fd;
	memset(key.pad, 0, sizeof(key.pad));
	return set(dp, fd, &key, &key.src, VERDICT_FILTER_FLOW, &v);
}

static int del(struct dataplane *dp, int fd, const void *key)
{
	if (fd < 0)
		return fd;
	if (bpf_map_delete_elem(fd, key))
		return -errno;
	dp->verdict_filter_exact = false;
	drop_cache_map_forget(dp);
	return 0;
}

int verdict_map_del(struct dataplane *dp, const struct prefix *source)
{
	struct verdict_key key;
	int err = source_key(source, &key);

	return err ? err : del(dp, pinned_map_fd(dp, "verdict_source"), &key);
}

int verdict_map_del_flow(struct dataplane *dp, const struct flow_key *flow)
{
	struct flow_key key = *flow;

	memset(key.pad, 0, sizeof(key.pad));
	return del(dp, pinned_map_fd(dp, "verdict_flow"), &key);
}

int verdict_map_get(struct dataplane *dp, const struct prefix *source, struct verdict *ret)
{
	struct verdict_key key;
	int err = source_key(source, &key);

	return err ? err : drop_cache_map_verdict(dp, &key, ret);
}

/* With those of its hits that are not in it yet. */
static int add_hits(struct dataplane *dp, const struct drop_cache_entry *hits, size_t n,
		    const struct verdict_key *key, struct verdict *v)
{
	size_t i;
	int err;

	for (i = 0; i < n; i++) {
		if (!drop_cache_map_is_of(&hits[i], key))
			continue;
		err = drop_cache_map_verdict(dp, key, v);
		return err == -ENOENT ? 0 : err; /* gone meanwhile: as it was */
	}
	return 0;
}

static int each_source(struct dataplane *dp, int (*fn)(const struct verdict_entry *e, void *ctx),
		       void *ctx)
{
	CLEANUP_FREE struct verdict_key *keys = NULL;
	CLEANUP_FREE struct verdict *values = NULL;
	CLEANUP_FREE struct drop_cache_entry *hits = NULL;
	size_t n, n_hits = 0, i;
	/* Before the verdicts: what has no hits by now has told of them. */
	int err = drop_cache_map_hits(dp, &hits, &n_hits);

	if (!err)
		err = pinned_map_read(pinned_map_fd(dp, "verdict_source"), (void **)&keys,
				      (void **)&values, &n);
	for (i = 0; !err && i < n; i++) {
		struct verdict_entry e = { .source = keys[i], .verdict = values[i] };

		err = add_hits(dp, hits, n_hits, &keys[i], &e.verdict);
		if (!err)
			err = fn(&e, ctx);
	}
	return err;
}

static int each_flow(struct dataplane *dp, int (*fn)(const struct verdict_entry *e, void *ctx),
		     void *ctx)
{
	CLEANUP_FREE struct flow_key *keys = NULL;
	CLEANUP_FREE struct verdict *values = NULL;
	size_t n, i;
	int err = pinned_map_read(pinned_map_fd(dp, "verdict_flow"), (void **)&keys,
				  (void **)&values, &n);

	for (i = 0; !err && i < n; i++) {
		struct verdict_entry e = { .is_flow = true, .flow = keys[i], .verdict = values[i] };

		e.source = unit_key(&keys[i].src);
		err = fn(&e, ctx);
	}
	return err;
}

int verdict_map_each(struct dataplane *dp, int (*fn)(const struct verdict_entry *e, void *ctx),
		     void *ctx)
{
	int err = each_source(dp, fn, ctx);

	return err ? err : each_flow(dp, fn, ctx);
}

struct sweep {
	struct dataplane *dp;
	uint64_t now_ns;
	int removed;
	size_t stay;
	struct verdict_filter *filter; /* of those that stay */
};

static int sweep_one(const struct verdict_entry *e, void *ctx)
{
	struct sweep *s = ctx;
	struct prefix p = { e->source.len_bits, e->source.addr };
	int err;

	if (e->verdict.until_ns > s->now_ns) {
		s->filter->bucket[verdict_filter_bucket(&e->source.addr)] |=
			e->is_flow ? VERDICT_FILTER_FLOW : VERDICT_FILTER_SOURCE;
		s->stay++;
		return 0;
	}
	err = e->is_flow ? verdict_map_del_flow(s->dp, &e->flow) : verdict_map_del(s->dp, &p);
	if (!err)
		s->removed++;
	return err == -ENOENT ? 0 : err;
}

static int clear_filter(struct dataplane *dp, const struct verdict_filter *want, bool none)
{
	struct verdict_filter *f = pinned_map_mem(dp, "verdict_filter");
	size_t i;

	if (!f)
		return -ENOMEM;
	for (i = 0; i < sizeof(f->bucket); i++) {
		if (f->bucket[i] != want->bucket[i])
			__atomic_store_n(&f->bucket[i], want->bucket[i], __ATOMIC_RELEASE);
	}
	drop_cache_map_no_verdicts(dp, none);
	dp->verdict_filter_exact = true;
	return 0;
}

int verdict_map_sweep(struct dataplane *dp, uint64_t now_ns)
{
	CLEANUP_FREE struct verdict_filter *filter = calloc(1, sizeof(*filter));
	struct sweep s = { .dp = dp, .now_ns = now_ns, .filter = filter };
	int err;

	if (!filter)
		return -ENOMEM;
	err = verdict_map_each(dp, sweep_one, &s);
	if (!err && !dp->verdict_filter_exact)
		err = clear_filter(dp, filter, s.stay == 0);
	return err ? err : s.removed;
}

uint64_t verdict_map_refused(const struct dataplane *dp)
{
	return dp->verdicts_refused;
}
