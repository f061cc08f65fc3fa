/* SPDX-License-Identifier: BSD-2-Clause */
#include "nat_map.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "dataplane_state.h"
#include "sluice/abi/vip.h"
#include "vip_map.h"

static struct nat_state *state_of(struct dataplane *dp)
{
	return pinned_map_mem(dp, "nat_state");
}

void nat_map_compile_vip(const struct conf_vip *v, struct nat_vip *ret)
{
	*ret = (struct nat_vip) { .n_sources = (uint32_t)v->n_snat };
	if (v->n_snat) /* else there is no array, not even for memcpy of nothing */
		memcpy(ret->source, v->snat, v->n_snat * sizeof(*v->snat));
}

static int put_vip(struct dataplane *dp, const struct conf_vip *v)
{
	struct nat_vip vip;
	uint32_t id = vip_map_id(dp, v->name);
	int fd = pinned_map_fd(dp, "nat_vip");

	nat_map_compile_vip(v, &vip);
	return bpf_map_update_elem(fd, &id, &vip, BPF_ANY) ? -errno : 0;
}

/* Whether any vip is of mode nat: otherwise nothing is looked up of a packet. */
static int put_vips(struct dataplane *dp, const struct conf *conf, bool *ret_on)
{
	int err = 0;

	for (size_t i = 0; i < conf->n_vips && !err; i++) {
		if (conf->vips[i].mode != BACKEND_NAT)
			continue;
		*ret_on = true;
		err = put_vip(dp, &conf->vips[i]);
	}
	return err;
}

static void store(__u64 *at, uint64_t ms)
{
	__atomic_store_n(at, ms * NS_PER_MS, __ATOMIC_RELAXED);
}

static void put_timeouts(struct nat_state *s, const struct conf_nat *c)
{
	store(&s->timeout_ns[NAT_TIMEOUT_TCP_OPENING], c->tcp_opening_ms);
	store(&s->timeout_ns[NAT_TIMEOUT_TCP_ESTABLISHED], c->tcp_established_ms);
	store(&s->timeout_ns[NAT_TIMEOUT_TCP_CLOSING], c->tcp_closing_ms);
	store(&s->timeout_ns[NAT_TIMEOUT_TCP_CLOSED], c->tcp_closed_ms);
	store(&s->timeout_ns[NAT_TIMEOUT_UDP_OPENING], c->udp_opening_ms);
	store(&s->timeout_ns[NAT_TIMEOUT_UDP_ESTABLISHED], c->udp_established_ms);
}

/* Those that are young; in a table of another size others may have stayed behind. */
static uint32_t count_young(const struct nat_flow *flows, uint32_t n)
{
	uint32_t young = 0;

	for (uint32_t i = 0; i < n; i++)
		young += __atomic_load_n(&flows[i].is_young, __ATOMIC_RELAXED);
	return young;
}

int nat_map_apply(struct dataplane *dp, const struct conf *conf)
{
	const struct pinned_map *map = pinned_map_find(dp, "nat_flow");
	const struct nat_flow *flows = pinned_map_mem(dp, "nat_flow");
	struct nat_state *s = state_of(dp);
	bool on = false;
	int err;

	if (!map || !flows || !s)
		return -ENOENT;
	put_timeouts(s, &conf->nat);
	if (s->max_flows != map->shape.max_entries) {
		__atomic_store_n(&s->young, count_young(flows, map->shape.max_entries),
				 __ATOMIC_RELAXED);
		__atomic_store_n(&s->max_young, map->shape.max_entries / NAT_YOUNG_PART,
				 __ATOMIC_RELAXED);
		__atomic_store_n(&s->max_flows, map->shape.max_entries, __ATOMIC_RELEASE);
	}
	err = put_vips(dp, conf, &on);
	if (!err)
		__atomic_store_n(&s->is_on, on, __ATOMIC_RELEASE);
	return err;
}

bool nat_map_read_flow(const struct nat_flow *from, struct nat_flow *ret)
{
	const uint32_t life = __atomic_load_n(&from->life, __ATOMIC_ACQUIRE);

	memcpy(ret, from, sizeof(*ret));
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return ret->phase >= NAT_OPENING && ret->phase < NAT_PHASES &&
	       __atomic_load_n(&from->phase, __ATOMIC_ACQUIRE) >= NAT_OPENING &&
	       __atomic_load_n(&from->life, __ATOMIC_RELAXED) == life;
}

uint32_t nat_map_slots(struct dataplane *dp)
{
	const struct pinned_map *map = pinned_map_find(dp, "nat_flow");

	return map ? map->shape.max_entries : 0;
}

int nat_map_each(struct dataplane *dp, uint32_t *slot, uint32_t n,
		 int (*fn)(const struct nat_flow *f, void *ctx), void *ctx)
{
	const struct nat_flow *flows = pinned_map_mem(dp, "nat_flow");
	const uint32_t slots = nat_map_slots(dp);
	struct nat_flow f;
	int err = flows ? 0 : -ENOENT;

	for (; !err && n && *slot < slots; n--, ++*slot) {
		/* Of slots that are free no more is read than that. */
		if (__atomic_load_n(&flows[*slot].phase, __ATOMIC_RELAXED) >= NAT_OPENING &&
		    nat_map_read_flow(&flows[*slot], &f))
			err = fn(&f, ctx);
	}
	return err ? err : *slot < slots;
}

int nat_map_timeouts(struct dataplane *dp, uint64_t ret_ns[NAT_TIMEOUTS])
{
	const struct nat_state *s = state_of(dp);

	if (!s)
		return -ENOENT;
	for (int i = 0; i < NAT_TIMEOUTS; i++)
		ret_ns[i] = __atomic_load_n(&s->timeout_ns[i], __ATOMIC_RELAXED);
	return 0;
}

int nat_map_stats(struct dataplane *dp, uint32_t backend_id, struct stats_nat *ret)
{
	int fd = pinned_map_fd(dp, "stats_nat");

	memset(ret, 0, sizeof(*ret));
	return fd < 0 ? fd : pinned_map_sum(fd, &backend_id, sizeof(*ret), (uint64_t *)ret);
}

int nat_map_room(struct dataplane *dp, struct nat_state *ret)
{
	const struct nat_state *s = state_of(dp);

	if (!s)
		return -ENOENT;
	*ret = *s;
	/* Counted up before it is refused: for a moment it may be over its most. */
	if (ret->young > ret->max_flows)
		ret->young = 0;
	return 0;
}
