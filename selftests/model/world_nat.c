/* SPDX-License-Identifier: BSD-2-Clause */
/* Vips and backends of mode nat: few addresses and ports, so that flows get into each other's way. */
#include <string.h>

#include "dataplane/nat_map.h"
#include "world_part.h"

/* Flows that there may be. */
static const uint32_t sizes[] = { 4, 32, MODEL_NAT_FLOWS, 8 };

/* Addresses of ours that no packet is from by chance; backends may also be clients. */
static struct addr edge(bool ipv6, uint32_t i)
{
	if (ipv6)
		return (struct addr) { .b = { 0xfd, 0, 0, 1, [15] = (uint8_t)i } };
	return (struct addr) { .b = { [10] = 0xff, 0xff, 172, 31, 0, (uint8_t)i } };
}

static struct addr behind(struct draw *d, bool ipv6)
{
	struct addr a = edge(ipv6, draw_one_in(d, 3));

	if (draw_one_in(d, 3))
		return world_source(d, ipv6);
	a.b[ipv6 ? 3 : 14] = 2;
	return a;
}

static void times(struct draw *d, struct model_nat_policy *n)
{
	uint32_t i;

	for (i = 0; i < NAT_TIMEOUTS; i++)
		n->timeout_ns[i] = WORLD_SECOND_NS + draw_magnitude(d, 40);
}

static void sources(struct draw *d, struct model_nat_policy *n, struct nat_vip *v)
{
	uint32_t i, first = draw(d, 3);

	memset(v, 0, sizeof(*v));
	v->n_sources = draw(d, 3) ? draw(d, 4) : 1;
	for (i = 0; i < v->n_sources; i++)
		v->source[i] = edge(n->ipv6, 1 + first + i);
}

void world_nat_backend(struct draw *d, const struct model_policy *w, struct backend *b)
{
	static const uint16_t ports[] = { 0, 8080, 8080 };

	if (!w->nat.is_on || draw_one_in(d, 4))
		return;
	b->mode = BACKEND_NAT;
	b->addr = behind(d, w->nat.ipv6);
	b->port = __builtin_bswap16(ports[draw(d, 3)]);
	if (draw(d, 2))
		b->mtu = 1500;
	b->flags |= draw(d, 2) ? BACKEND_READY : 0;
}

static bool is_v6(const struct addr *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(a->b, mapped, sizeof(mapped)) != 0;
}

void world_nat_make(struct draw *d, struct model_policy *w)
{
	struct model_nat_policy *n = &w->nat;
	uint32_t i;

	n->is_on = draw(d, 3) != 0;
	n->ipv6 = draw(d, 2);
	n->max_flows = sizes[draw(d, 3)];
	n->max_young = draw(d, 2) ? n->max_flows : 1 + draw(d, n->max_flows);
	times(d, n);
	for (i = 1; i < MODEL_VIPS; i++)
		sources(d, n, &n->vip[i]);
	for (i = 1; i < MODEL_BACKENDS; i++)
		world_nat_backend(d, w, &w->backend[i]);
	for (i = 0; i < w->n_vip && n->is_on; i++) {
		if (is_v6(&w->vip_key[i].addr) == n->ipv6 && draw(d, 4))
			w->vip[i].flags |= VIP_NAT;
	}
}

void world_nat_quiet(struct draw *d, struct model_policy *w)
{
	uint32_t i;

	if (!w->nat.is_on || draw(d, 3))
		return;
	w->n_deny = w->n_source_verdict = w->n_flow_verdict = 0;
	for (i = 0; i < MODEL_VIPS; i++)
		w->guard[i].mode = GUARD_OFF;
	for (i = 1; i < MODEL_CLASSES; i++) {
		struct limit_rates *r = &w->class[i].rates[w->class[i].active];

		memset(r->unit, 0, sizeof(r->unit));
		memset(r->total, 0, sizeof(r->total));
		r->concurrent = 1 + draw(d, 6);
	}
	for (i = 1; i < MODEL_BACKENDS; i++)
		w->backend[i].flags = BACKEND_READY;
	for (i = 0; i < NAT_TIMEOUTS; i++) /* hours */
		w->nat.timeout_ns[i] = WORLD_SECOND_NS << 14;
}

void world_nat_change(struct draw *d, struct model_policy *w)
{
	uint32_t kind = draw(d, 4), room;

	if (kind < 2) { /* room, of which the agent gives a part to young ones */
		room = sizes[draw(d, 4)];
		if (room != w->nat.max_flows)
			w->nat.max_young = room / NAT_YOUNG_PART;
		w->nat.max_flows = room;
	} else if (kind == 2)
		times(d, &w->nat);
	else
		sources(d, &w->nat, &w->nat.vip[1 + draw(d, MODEL_VIPS - 1)]);
}
