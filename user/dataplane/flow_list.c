/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow_list.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/clock.h"
#include "dataplane_state.h"
#include "map_walk.h"
#include "nat_map.h"
#include "vip_flow.h"
#include "vip_leaving.h"
#include "vip_state.h"

#define PART_NS (4 * NS_PER_MS) /* of one turn of the loop, some hundred flows aside */
#define SLOTS	256		/* between two looks at the clock */

struct flow_list {
	struct flow_list *next; /* of the dataplane's */
	struct dataplane *dp;	/* NULL: it was closed */
	struct flow_filter filter;
	uint32_t slot; /* of nat_flow, the next */
	bool nat_is_over;
	struct map_walk noted;
	const char **vips; /* names, by id */
	uint64_t applied;  /* of which services they are */
};

struct reading {
	struct vip_map *m;
	const struct flow_filter *filter;
	uint64_t now_ns;
	uint64_t timeout_ns[NAT_TIMEOUTS];
	const char *const *vips;
	int (*fn)(const struct flow_row *row, void *ctx);
	void *ctx;
};

static const char *vip_name(const struct reading *r, uint32_t id)
{
	const char *name = id < r->m->max_vips ? r->vips[id] : NULL;

	return name ? name : "";
}

/* The backend that has the id, if it is still the one that had it when the flow began. */
static const struct vip_place *place_of(const struct reading *r, uint32_t id, uint32_t generation)
{
	const struct vip_place *p = vip_index_id(&r->m->index, id);

	return p && r->m->table[id].generation == generation ? p : NULL;
}

/* IPv4 and IPv6 are apart: ::/0 has no IPv4 address in it. */
static bool is_in(const struct prefix *p, const struct addr *a)
{
	return addr_is_v4(&p->addr) == addr_is_v4(a) && prefix_contains(p, a);
}

static int tell(const struct reading *r, const struct flow_row *row)
{
	const struct flow_filter *f = r->filter;

	if ((f->vip && strcmp(f->vip, row->vip) != 0) ||
	    (f->backend && strcmp(f->backend, row->backend) != 0) ||
	    (f->client && !is_in(f->client, &row->client.src)))
		return 0;
	return r->fn(row, r->ctx);
}

static uint64_t less(uint64_t from, uint64_t what)
{
	return what < from ? from - what : 0;
}

static int on_nat(const struct nat_flow *f, void *ctx)
{
	const struct reading *r = ctx;
	const struct vip_place *p = place_of(r, f->backend_id, f->backend_generation);
	const uint64_t timeout_ns =
		r->timeout_ns[nat_timeout_of(f->client.proto == IPPROTO_UDP, f->phase)];
	const struct flow_row row = {
		.is_nat = true,
		.client = f->client,
		.answer = f->answer,
		.phase = f->phase,
		.vip = vip_name(r, f->vip_id),
		.backend = p ? p->backend->conf.name : vip_leaving_name(r->m, f->backend_id),
		.backend_address = f->answer.src,
		.left_ns = less(f->until_ns, r->now_ns),
		.idle_ns = less(timeout_ns, less(f->until_ns, r->now_ns)),
	};

	/* It stays in its slot until a packet comes by there. */
	return row.left_ns ? tell(r, &row) : 0;
}

static int on_noted(const void *key, const void *value, const struct reading *r)
{
	const struct vip_flow *f = value;
	const struct vip_place *p = place_of(r, f->backend, f->generation);
	struct flow_row row = { .idle_ns = less(r->now_ns, f->seen_ns) };

	if (!p) /* void: its backend is gone */
		return 0;
	memcpy(&row.client, key, sizeof(row.client));
	row.vip = p->service->name;
	row.backend = p->backend->conf.name;
	row.backend_address = p->backend->conf.address;
	row.left_ns = less(vip_flow_idle_ns(r->m, p->service), row.idle_ns);
	return row.left_ns ? tell(r, &row) : 0;
}

static size_t lists(const struct dataplane *dp)
{
	size_t n = 0;

	for (const struct flow_list *l = dp->flow_lists; l; l = l->next)
		n++;
	return n;
}

int flow_list_open(struct dataplane *dp, const struct flow_filter *filter, struct flow_list **ret)
{
	struct flow_list *l;
	int err;

	if (!dp->vip)
		return -ENOENT;
	if (lists(dp) >= FLOW_LISTS_MAX)
		return -EBUSY;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->dp = dp;
	l->filter = *filter;
	l->next = dp->flow_lists;
	dp->flow_lists = l;
	l->vips = calloc(dp->vip->max_vips, sizeof(*l->vips));
	err = map_walk_open(&l->noted, pinned_map_fd(dp, "vip_flow"));
	if (!err && !l->vips)
		err = -ENOMEM;
	if (err)
		flow_list_close(l);
	else
		*ret = l;
	return err;
}

void flow_list_close(struct flow_list *l)
{
	struct flow_list **at;

	if (!l)
		return;
	for (at = l->dp ? &l->dp->flow_lists : NULL; at && *at != l; at = &(*at)->next)
		;
	if (at)
		*at = l->next;
	map_walk_clear(&l->noted);
	free(l->vips);
	free(l);
}

void flow_list_forget(struct dataplane *dp)
{
	for (struct flow_list *l = dp->flow_lists; l; l = l->next)
		l->dp = NULL;
	dp->flow_lists = NULL;
}

/* Vips may have been applied between two parts. */
static void name_vips(struct flow_list *l, const struct vip_map *m)
{
	if (l->applied == m->applied)
		return;
	memset(l->vips, 0, m->max_vips * sizeof(*l->vips));
	for (size_t i = 0; i < m->n_services; i++)
		l->vips[m->services[i].rec.id] = m->services[i].name;
	l->applied = m->applied;
}

static int next_noted(struct map_walk *w, const struct reading *r)
{
	int more = map_walk_next(w), err = 0;

	for (uint32_t i = 0; i < w->n && !err; i++)
		err = on_noted(map_walk_key(w, i), map_walk_value(w, i), r);
	return err ? err : more;
}

int flow_list_next(struct flow_list *l, int (*fn)(const struct flow_row *row, void *ctx), void *ctx)
{
	const uint64_t began_ns = clock_now_ns();
	struct reading r = {
		l->dp ? l->dp->vip : NULL, &l->filter, began_ns, { 0 }, l->vips, fn, ctx
	};
	int more = r.m ? nat_map_timeouts(l->dp, r.timeout_ns) : -ESTALE;

	if (more)
		return more;
	name_vips(l, r.m);
	more = 1;
	while (more > 0 && clock_now_ns() - began_ns < PART_NS) {
		if (l->nat_is_over) {
			more = next_noted(&l->noted, &r);
			continue;
		}
		more = nat_map_each(l->dp, &l->slot, SLOTS, on_nat, &r);
		l->nat_is_over = !more;
		more = more ? more : 1;
	}
	return more;
}

unsigned int flow_list_percent(const struct flow_list *l)
{
	const uint64_t slots = l->dp ? nat_map_slots(l->dp) : 0;
	const uint64_t all = slots + l->noted.buckets;

	return (unsigned int)(100 * ((uint64_t)l->slot + l->noted.cursor) / (all ? all : 1));
}
