/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A source entry of the unit's length carries the number of the source's flow verdicts, because a
 * client record learns from it whether verdict_flow is worth a look-up. The supervisor is the only
 * writer, so reading, changing and writing an entry needs no lock.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "dataplane_state.h"
#include "epoch.h"
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

int verdict_map_set(struct dataplane *dp, const struct prefix *source, enum verdict_action action,
		    enum verdict_reason reason, uint64_t until_ns)
{
	struct verdict v = { .until_ns = until_ns,
			     .since_ns = clock_now_ns(),
			     .action = (uint8_t)action,
			     .reason = (uint8_t)reason };
	int fd = pinned_map_fd(dp, "verdict_source"), err;
	struct verdict_key key;
	struct verdict old;

	if (fd < 0)
		return fd;
	if (action != VERDICT_DROP && action != VERDICT_DROP_NEW)
		return -EINVAL;
	err = source_key(source, &key);
	if (err)
		return err;
	if (get(fd, &key, &old) == 0)
		v.flows = old.flows;
	err = put(dp, fd, &key, &v);
	return err ? err : epoch_raise_source(dp, &key.addr);
}

/*
 * Count a flow verdict in or out at its source's entry. An entry that only counts has the action
 * NONE and goes with the last flow.
 */
static int count_flow(struct dataplane *dp, int fd, const struct addr *source, int by)
{
	struct verdict_key key = unit_key(source);
	struct verdict v = { .until_ns = UINT64_MAX, .since_ns = clock_now_ns() };
	int err = get(fd, &key, &v);

	if (err && err != -ENOENT)
		return err;
	if (by < 0 && (err || v.flows == 0))
		return 0;
	if (by > 0 && v.flows == UINT16_MAX) {
		dp->verdicts_refused++;
		return -ENOSPC;
	}
	v.flows = (uint16_t)(v.flows + by);
	if (v.flows == 0 && v.action == VERDICT_NONE)
		return bpf_map_delete_elem(fd, &key) ? -errno : 0;
	return put(dp, fd, &key, &v);
}

int verdict_map_set_flow(struct dataplane *dp, const struct flow_key *flow,
			 enum verdict_action action, enum verdict_reason reason, uint64_t until_ns)
{
	struct verdict v = { .until_ns = until_ns,
			     .since_ns = clock_now_ns(),
			     .action = (uint8_t)action,
			     .reason = (uint8_t)reason };
	int flow_fd = pinned_map_fd(dp, "verdict_flow");
	int fd = pinned_map_fd(dp, "verdict_source"), err;
	struct flow_key key = *flow;
	struct verdict old;
	bool is_new;

	if (fd < 0 || flow_fd < 0)
		return -ENOENT;
	if (action != VERDICT_DROP && action != VERDICT_DROP_NEW)
		return -EINVAL;
	memset(key.pad, 0, sizeof(key.pad));
	is_new = get(flow_fd, &key, &old) != 0;
	err = put(dp, flow_fd, &key, &v);
	if (!err && is_new) {
		err = count_flow(dp, fd, &key.src, 1);
		if (err)
			bpf_map_delete_elem(flow_fd, &key);
	}
	return err ? err : epoch_raise_source(dp, &key.src);
}

/* Take the action out of a source's entry; what counts flows stays. */
static int clear_source(struct dataplane *dp, int fd, const struct verdict_key *key,
			const struct verdict *is)
{
	struct verdict v = *is;

	if (!v.flows)
		return bpf_map_delete_elem(fd, key) ? -errno : 0;
	v.action = VERDICT_NONE;
	v.until_ns = UINT64_MAX;
	return put(dp, fd, key, &v);
}

int verdict_map_del(struct dataplane *dp, const struct prefix *source)
{
	int fd = pinned_map_fd(dp, "verdict_source"), err;
	struct verdict_key key;
	struct verdict v;

	if (fd < 0)
		return fd;
	err = source_key(source, &key);
	if (!err)
		err = get(fd, &key, &v);
	if (!err && v.action == VERDICT_NONE)
		err = -ENOENT;
	if (!err)
		err = clear_source(dp, fd, &key, &v);
	return err ? err : epoch_raise_source(dp, &key.addr);
}

int verdict_map_del_flow(struct dataplane *dp, const struct flow_key *flow)
{
	int flow_fd = pinned_map_fd(dp, "verdict_flow");
	int fd = pinned_map_fd(dp, "verdict_source"), err;
	struct flow_key key = *flow;

	if (fd < 0 || flow_fd < 0)
		return -ENOENT;
	memset(key.pad, 0, sizeof(key.pad));
	if (bpf_map_delete_elem(flow_fd, &key))
		return -errno;
	err = count_flow(dp, fd, &key.src, -1);
	return err ? err : epoch_raise_source(dp, &key.src);
}

int verdict_map_get(struct dataplane *dp, const struct prefix *source, struct verdict *ret)
{
	int fd = pinned_map_fd(dp, "verdict_source"), err;
	struct verdict_key key;
	struct verdict v;

	if (fd < 0)
		return fd;
	err = source_key(source, &key);
	if (!err)
		err = get(fd, &key, &v);
	if (err || v.action == VERDICT_NONE)
		return err ? err : -ENOENT;
	*ret = v;
	return 0;
}

static uint64_t dropped_packets(int clients_fd, const struct verdict_key *key)
{
	struct client_key ck = { .source = key->addr };
	struct client c;

	if (clients_fd < 0 || key->len_bits != unit_bits(&key->addr) ||
	    bpf_map_lookup_elem(clients_fd, &ck, &c))
		return 0;
	return c.dropped_packets;
}

static int each_source(struct dataplane *dp, int (*fn)(const struct verdict_entry *e, void *ctx),
		       void *ctx)
{
	CLEANUP_FREE struct verdict_key *keys = NULL;
	CLEANUP_FREE struct verdict *values = NULL;
	int clients_fd = pinned_map_fd(dp, "clients");
	size_t n, i;
	int err = pinned_map_read(pinned_map_fd(dp, "verdict_source"), (void **)&keys,
				  (void **)&values, &n);

	for (i = 0; !err && i < n; i++) {
		struct verdict_entry e = { .source = keys[i], .verdict = values[i] };

		if (values[i].action == VERDICT_NONE)
			continue;
		e.dropped_packets = dropped_packets(clients_fd, &keys[i]);
		err = fn(&e, ctx);
	}
	return err;
}

static int each_flow(struct dataplane *dp, int (*fn)(const struct verdict_entry *e, void *ctx),
		     void *ctx)
{
	CLEANUP_FREE struct flow_key *keys = NULL;
	CLEANUP_FREE struct verdict *values = NULL;
	int clients_fd = pinned_map_fd(dp, "clients");
	size_t n, i;
	int err = pinned_map_read(pinned_map_fd(dp, "verdict_flow"), (void **)&keys,
				  (void **)&values, &n);

	for (i = 0; !err && i < n; i++) {
		struct verdict_entry e = { .is_flow = true, .flow = keys[i], .verdict = values[i] };

		e.source = unit_key(&keys[i].src);
		e.dropped_packets = dropped_packets(clients_fd, &e.source);
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
};

static int sweep_one(const struct verdict_entry *e, void *ctx)
{
	struct sweep *s = ctx;
	struct prefix p = { e->source.len_bits, e->source.addr };
	int err;

	if (e->verdict.until_ns > s->now_ns)
		return 0;
	err = e->is_flow ? verdict_map_del_flow(s->dp, &e->flow) : verdict_map_del(s->dp, &p);
	if (!err)
		s->removed++;
	return err == -ENOENT ? 0 : err;
}

/* Sources first, from a snapshot each: an entry that only counts goes with its last flow. */
int verdict_map_sweep(struct dataplane *dp, uint64_t now_ns)
{
	struct sweep s = { .dp = dp, .now_ns = now_ns };
	int err = verdict_map_each(dp, sweep_one, &s);

	return err ? err : s.removed;
}

uint64_t verdict_map_refused(const struct dataplane *dp)
{
	return dp->verdicts_refused;
}
