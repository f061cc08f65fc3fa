/* SPDX-License-Identifier: BSD-2-Clause */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"
#include "limit_world.h"

uint32_t limit_world_any(struct limit_world *w, uint32_t n)
{
	w->seed = w->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(w->seed >> 33) % n;
}

static struct addr addr(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

/* Few addresses, nested deeply: 16 of each family, and their prefixes. */
static struct addr any_addr(struct limit_world *w)
{
	struct addr a = addr(limit_world_any(w, 2) ? "10.0.0.0" : "2001:db8::");
	uint8_t *last = addr_is_v4(&a) ? &a.b[15] : &a.b[7];

	*last = (uint8_t)(limit_world_any(w, 16) << 4);
	return a;
}

static struct prefix any_prefix(struct limit_world *w)
{
	struct prefix p = { .addr = any_addr(w) };
	bool v4 = addr_is_v4(&p.addr);

	p.len_bits = limit_world_any(w, 8) ? (v4 ? 120 : 56) + limit_world_any(w, 5) : v4 ? 96 : 0;
	p.addr = addr_mask(&p.addr, p.len_bits);
	return p;
}

static void make_limit(struct limit_world *w, size_t i)
{
	struct conf_limit *l = &w->limits[i];

	snprintf(w->limit_name[i], sizeof(w->limit_name[i]), "l%zu", i);
	*l = (struct conf_limit) { .name = w->limit_name[i],
				   .sources = w->sources[i],
				   .n_sources = limit_world_any(w, 4),
				   .ports = w->ports[i],
				   .vips = w->names[i] };
	for (size_t s = 0; s < l->n_sources; s++)
		l->sources[s] = any_prefix(w);
	switch (limit_world_any(w, 5)) {
	case 0:
		for (l->n_vips = 0; l->n_vips < 1 + limit_world_any(w, 2); l->n_vips++)
			l->vips[l->n_vips] = w->vip_name[limit_world_any(w, LIMIT_WORLD_VIPS)];
		break;
	case 1:
		for (l->n_ports = 0; l->n_ports < 1 + limit_world_any(w, 2); l->n_ports++) {
			uint16_t first = (uint16_t)(1 + limit_world_any(w, 10));

			l->ports[l->n_ports] =
				(struct conf_ports) { first,
						      (uint16_t)(first + limit_world_any(w, 4)) };
		}
		/* fall through */
	case 2:
		l->protocol = limit_world_any(w, 2) ? IPPROTO_TCP : IPPROTO_UDP;
		break;
	case 3:
		w->vips[limit_world_any(w, LIMIT_WORLD_VIPS)].limit = l->name;
		break;
	}
}

void limit_world_make(struct limit_world *w)
{
	*w = (struct limit_world) { .seed = w->seed };
	w->conf =
		(struct conf) { .limits = w->limits, .vips = w->vips, .n_vips = LIMIT_WORLD_VIPS };
	for (size_t i = 0; i < LIMIT_WORLD_VIPS; i++) {
		snprintf(w->vip_name[i], sizeof(w->vip_name[i]), "v%zu", i);
		w->vips[i] = (struct conf_vip) { .name = w->vip_name[i],
						 .port = (uint16_t)(1 + limit_world_any(w, 12)),
						 .protocol = limit_world_any(w, 2) ? IPPROTO_TCP
										   : IPPROTO_UDP };
	}
	w->conf.n_limits = 1 + limit_world_any(w, LIMIT_WORLD_LIMITS);
	for (size_t i = 0; i < w->conf.n_limits; i++)
		make_limit(w, i);
}

/* Is a limit for the destination of a packet? By reading it, selector by selector. */
static bool is_to(const struct limit_world *w, const struct conf_limit *l,
		  const struct limit_packet *p, enum limit_selector *ret)
{
	bool has_vip = l->n_vips > 0, is_vip = false;

	for (size_t v = 0; v < LIMIT_WORLD_VIPS; v++) {
		bool named = w->vips[v].limit && !strcmp(w->vips[v].limit, l->name);

		for (size_t i = 0; i < l->n_vips; i++)
			named = named || !strcmp(l->vips[i], w->vips[v].name);
		has_vip = has_vip || named;
		is_vip = is_vip || (named && p->vip == (int)v);
	}
	*ret = LIMIT_TO_VIP;
	if (has_vip)
		return is_vip;
	*ret = LIMIT_TO_PORTS;
	for (size_t i = 0; i < l->n_ports; i++)
		if (l->protocol == p->protocol && p->dport >= l->ports[i].first &&
		    p->dport <= l->ports[i].last)
			return true;
	if (l->n_ports)
		return false;
	*ret = LIMIT_TO_PROTOCOL;
	if (l->protocol)
		return l->protocol == p->protocol;
	*ret = LIMIT_TO_ALL;
	return l->n_sources > 0;
}

/* Length of the longest source that has the packet's, from 1; 0: none has it. */
static uint32_t length(const struct conf_limit *l, const struct addr *src)
{
	uint32_t longest = l->n_sources ? 0 : 1;

	for (size_t i = 0; i < l->n_sources; i++) {
		const struct prefix *s = &l->sources[i];
		uint32_t len = s->len_bits - (addr_is_v4(src) ? ADDR_V4_BITS : 0);

		if (addr_is_v4(&s->addr) == addr_is_v4(src) && prefix_contains(s, src) &&
		    len + 1 > longest)
			longest = len + 1;
	}
	return longest;
}

/* The limits that meet the packet; -1: two of a selector have the same prefix. */
int limit_world_met(const struct limit_world *w, const struct limit_packet *p,
		    uint8_t ret[LIMIT_SELECTORS])
{
	uint8_t best[LIMIT_SELECTORS] = { 0 };
	uint32_t longest[LIMIT_SELECTORS] = { 0 };
	bool tie[LIMIT_SELECTORS] = { false };
	int n = 0;

	for (size_t i = 0; i < w->conf.n_limits; i++) {
		enum limit_selector s;
		uint32_t len;

		if (!is_to(w, &w->limits[i], p, &s))
			continue;
		len = length(&w->limits[i], &p->src);
		if (len && len == longest[s])
			tie[s] = true;
		if (len <= longest[s])
			continue;
		tie[s] = false;
		longest[s] = len;
		best[s] = (uint8_t)(i + 1);
	}
	memset(ret, 0, LIMIT_SELECTORS);
	for (int s = 0; s < LIMIT_SELECTORS; s++) {
		if (tie[s])
			return -1;
		if (best[s])
			ret[n++] = best[s];
	}
	return n;
}

struct limit_packet limit_world_packet(struct limit_world *w)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };
	struct limit_packet p = { any_addr(w), NO_VIP, protocols[limit_world_any(w, 3)], 0 };
	uint8_t *low = addr_is_v4(&p.src) ? &p.src.b[15] : &p.src.b[7];

	*low = (uint8_t)(*low | limit_world_any(w, 16));
	if (p.protocol != IPPROTO_ICMP)
		p.dport = (uint16_t)limit_world_any(w, 16);
	if (limit_world_any(w, 3) == 0) {
		p.vip = (int)limit_world_any(w, LIMIT_WORLD_VIPS);
		p.protocol = w->vips[p.vip].protocol;
		p.dport = w->vips[p.vip].port;
	}
	return p;
}

void limit_world_change(struct limit_world *w, const struct limit_world *from)
{
	size_t n = from->conf.n_limits;

	limit_world_make(w);
	memcpy(w->vips, from->vips, sizeof(w->vips));
	for (size_t i = 0; i < LIMIT_WORLD_VIPS; i++) {
		w->vips[i].name = w->vip_name[i];
		/* Which vip names which limit is made anew with the limits. */
		w->vips[i].limit = NULL;
	}
	w->conf.n_limits = n - (n > 1 && limit_world_any(w, 4) == 0);
	w->conf.n_limits += n < LIMIT_WORLD_LIMITS && limit_world_any(w, 4) == 0;
	for (size_t i = 0; i < w->conf.n_limits; i++) {
		struct conf_limit *l = &w->limits[i];

		if (i >= n || limit_world_any(w, 4) == 0) {
			make_limit(w, i);
			continue;
		}
		memcpy(w->sources[i], from->sources[i], sizeof(w->sources[i]));
		memcpy(w->ports[i], from->ports[i], sizeof(w->ports[i]));
		memcpy(w->limit_name[i], from->limit_name[i], sizeof(w->limit_name[i]));
		*l = from->limits[i];
		l->name = w->limit_name[i];
		l->sources = w->sources[i];
		l->ports = w->ports[i];
		l->vips = w->names[i];
		for (size_t v = 0; v < l->n_vips; v++)
			for (size_t k = 0; k < LIMIT_WORLD_VIPS; k++)
				if (from->names[i][v] == from->vips[k].name)
					w->names[i][v] = w->vip_name[k];
	}
	for (size_t i = 0; i < LIMIT_WORLD_VIPS; i++)
		for (size_t k = 0; from->vips[i].limit && k < w->conf.n_limits; k++)
			if (!w->vips[i].limit &&
			    strcmp(from->vips[i].limit, w->limits[k].name) == 0)
				w->vips[i].limit = w->limit_name[k];
}
