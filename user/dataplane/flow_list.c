/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow_list.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "dataplane_state.h"
#include "nat_map.h"
#include "vip_flow.h"
#include "vip_leaving.h"
#include "vip_state.h"

struct reading {
	struct vip_map *m;
	const struct flow_filter *filter;
	uint64_t now_ns;
	uint64_t timeout_ns[NAT_TIMEOUTS];
	const char **vips; /* names, by id */
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

static int on_noted(const void *key, const void *value, void *ctx)
{
	const struct reading *r = ctx;
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

int flow_list_each(struct dataplane *dp, const struct flow_filter *filter, uint64_t now_ns,
		   int (*fn)(const struct flow_row *row, void *ctx), void *ctx)
{
	struct reading r = { dp->vip, filter, now_ns, { 0 }, NULL, fn, ctx };
	CLEANUP_FREE const char **vips = NULL;
	int err;

	if (!r.m)
		return -ENOENT;
	vips = calloc(r.m->max_vips, sizeof(*vips));
	if (!vips)
		return -ENOMEM;
	for (size_t i = 0; i < r.m->n_services; i++)
		vips[r.m->services[i].rec.id] = r.m->services[i].name;
	r.vips = vips;
	err = nat_map_timeouts(dp, r.timeout_ns);
	if (!err)
		err = nat_map_each(dp, on_nat, &r);
	if (!err)
		err = pinned_map_each(pinned_map_fd(dp, "vip_flow"), on_noted, &r);
	return err;
}
