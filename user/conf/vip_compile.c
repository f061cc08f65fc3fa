/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rules are sorted so that a prefix comes behind those around it. What a prefix says is painted over
 * a copy of what the nearest one around it says, the least specific first.
 */
#include "vip_compile.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "../base/addr.h"
#include "../base/cleanup.h"
#include "conf_check.h"
#include "vip_place.h"

#define DEPTH_MAX 130 /* prefixes inside one another, of all lengths */
#define HOST	  SIZE_MAX

/* The last one is the most specific. */
enum span_kind { SPAN_ANY, SPAN_RANGE, SPAN_PORT };

struct rule {
	struct prefix prefix;
	uint8_t proto;
	enum span_kind kind;
	struct vip_span span;
	size_t vip; /* HOST: a listener's own place */
};

struct compile {
	struct rule *rules;
	size_t n_rules;
	struct vip_compiled *out;
	size_t stack[DEPTH_MAX]; /* entries around the one at hand, the longest last */
	size_t depth;
	void (*on_fault)(const struct vip_fault *fault, void *ctx);
	void *ctx;
	int err;
};

static bool is_v4(const struct prefix *p)
{
	return p->len_bits >= ADDR_V4_BITS && addr_is_v4(&p->addr);
}

static void fault(struct compile *c, enum vip_fault_kind kind, size_t vip, size_t other)
{
	const struct vip_fault f = { kind, vip, other };

	c->err = -EINVAL;
	c->on_fault(&f, c->ctx);
}

static int by_rule(const void *x, const void *y)
{
	const struct rule *a = x, *b = y;
	int order = a->proto - b->proto;

	if (!order)
		order = (int)is_v4(&a->prefix) - (int)is_v4(&b->prefix);
	if (!order)
		order = memcmp(&a->prefix.addr, &b->prefix.addr, sizeof(a->prefix.addr));
	if (!order)
		order = (a->prefix.len_bits > b->prefix.len_bits) -
			(a->prefix.len_bits < b->prefix.len_bits);
	if (!order)
		order = (int)a->kind - (int)b->kind;
	if (!order)
		order = a->span.first - b->span.first;
	return order ? order : (a->vip > b->vip) - (a->vip < b->vip);
}

static enum span_kind kind_of(const struct conf_ports *ports)
{
	if (!ports->first)
		return SPAN_ANY;
	return ports->first == ports->last ? SPAN_PORT : SPAN_RANGE;
}

static void add_vip(struct compile *c, const struct conf_vip *v, size_t i)
{
	const struct conf_ports ports = vip_place_ports(v);

	c->rules[c->n_rules++] = (struct rule) {
		.prefix = vip_place_prefix(v),
		.proto = v->protocol,
		.kind = kind_of(&ports),
		.span = { ports.first, ports.last, vip_place_key(v) },
		.vip = i,
	};
}

/* A socket at the wildcard address is less specific than any vip. */
static void add_bound(struct compile *c, const struct addr *a, uint16_t port)
{
	if (!port || conf_check_is_any(a))
		return;
	c->rules[c->n_rules++] = (struct rule) {
		.prefix = { 128, *a },
		.proto = IPPROTO_TCP,
		.kind = SPAN_PORT,
		.span = { port, port, { .proto = 0 } },
		.vip = HOST,
	};
}

static int make_rules(struct compile *c, const struct conf *conf, const bool *skip)
{
	c->rules = calloc(conf->n_vips + conf->n_listeners + 2, sizeof(*c->rules));
	if (!c->rules)
		return -ENOMEM;
	for (size_t i = 0; i < conf->n_vips; i++)
		if (!skip || !skip[i])
			add_vip(c, &conf->vips[i], i);
	add_bound(c, &conf->agent.internal_address, conf->agent.internal_port);
	for (size_t i = 0; i < conf->n_listeners; i++)
		add_bound(c, &conf->listeners[i].address, conf->listeners[i].port);
	qsort(c->rules, c->n_rules, sizeof(*c->rules), by_rule);
	return 0;
}

/* Copy a span, cut to what is in front of `before` or behind `after`. */
static void keep(struct vip_span *out, size_t *n, const struct vip_span *s, int first, int last)
{
	if (first > last)
		return;
	out[*n] = *s;
	out[*n].first = (uint16_t)first;
	out[(*n)++].last = (uint16_t)last;
}

/* Put a span over those that are there. -E2BIG. */
static int paint(struct vip_wide *w, const struct vip_span *s)
{
	struct vip_span out[VIP_SPANS_MAX + 2];
	bool placed = false;
	size_t n = 0;

	for (uint32_t i = 0; i < w->n; i++) {
		const struct vip_span *old = &w->span[i];

		keep(out, &n, old, old->first, old->last < s->first ? old->last : s->first - 1);
		if (!placed && old->last >= s->first) {
			out[n++] = *s;
			placed = true;
		}
		keep(out, &n, old, old->first > s->last ? old->first : s->last + 1, old->last);
	}
	if (!placed)
		out[n++] = *s;
	if (n > VIP_SPANS_MAX)
		return -E2BIG;
	memcpy(w->span, out, n * sizeof(*out));
	w->n = (uint32_t)n;
	return 0;
}

/* Of one kind and in order, only those that follow one another can meet. */
static void find_clashes(struct compile *c, const struct rule *group, size_t n)
{
	const struct rule *last = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct rule *r = &group[i];

		if (r->vip == HOST)
			continue;
		if (last && last->kind == r->kind && r->span.first <= last->span.last)
			fault(c, VIP_FAULT_SAME, r->vip > last->vip ? r->vip : last->vip,
			      r->vip > last->vip ? last->vip : r->vip);
		if (!last || last->kind != r->kind || r->span.last > last->span.last)
			last = r;
	}
}

/* Who gets the fragments of the prefix: the one of the most ports, of these the first ones. */
static const struct rule *of_fragments(const struct rule *group, size_t n)
{
	const struct rule *best = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct rule *r = &group[i];

		if (r->vip != HOST &&
		    (!best || r->span.last - r->span.first > best->span.last - best->span.first))
			best = r;
	}
	return best;
}

static bool has_port(const struct vip_wide *w, uint16_t port)
{
	for (uint32_t i = 0; i < w->n; i++)
		if (port >= w->span[i].first && port <= w->span[i].last)
			return true;
	return false;
}

/* Plain vips are in map vips itself, and a listener matters where a wide one would take its place. */
static bool is_painted(const struct vip_wide *w, const struct rule *r)
{
	return r->vip == HOST ? has_port(w, r->span.first) : r->span.key.wide != 0;
}

/* Whom to blame for too many spans: a vip of the prefix, else the one that a listener is inside of. */
static size_t vip_to_blame(const struct compile *c, const struct rule *group, size_t n,
			   const struct vip_wide *w)
{
	for (size_t i = 0; i < n; i++)
		if (group[i].vip != HOST)
			return group[i].vip;
	for (size_t i = 0; i < c->n_rules; i++)
		if (c->rules[i].vip != HOST &&
		    memcmp(&c->rules[i].span.key, &w->span[0].key, sizeof(w->span[0].key)) == 0)
			return c->rules[i].vip;
	return 0;
}

static void paint_group(struct compile *c, const struct rule *group, size_t n, struct vip_wide *w)
{
	const struct rule *fragments = of_fragments(group, n);

	if (fragments)
		w->fragments = fragments->span.key;
	for (size_t i = 0; i < n; i++) {
		if (is_painted(w, &group[i]) && paint(w, &group[i].span)) {
			fault(c, VIP_FAULT_SPANS, vip_to_blame(c, group, n, w), 0);
			return;
		}
	}
}

static bool is_around(const struct vip_wide_entry *outer, const struct rule *inner)
{
	const struct prefix p = { outer->key.len_bits - VIP_WIDE_PROTO_BITS, outer->key.addr };

	return outer->key.proto == inner->proto && is_v4(&p) == is_v4(&inner->prefix) &&
	       p.len_bits < inner->prefix.len_bits && prefix_contains(&p, &inner->prefix.addr);
}

/* A place that only a listener has matters inside of a vip. */
static bool is_needed(const struct compile *c, const struct rule *group, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (group[i].vip != HOST)
			return true;
	return c->depth && c->out->entry[c->stack[c->depth - 1]].record.n;
}

static void add_group(struct compile *c, const struct rule *group, size_t n)
{
	struct vip_compiled *out = c->out;
	struct vip_wide_entry *e = &out->entry[out->n];

	while (c->depth && !is_around(&out->entry[c->stack[c->depth - 1]], group))
		c->depth--;
	if (!is_needed(c, group, n))
		return;
	e->key = (struct vip_wide_key) { VIP_WIDE_PROTO_BITS + group->prefix.len_bits, group->proto,
					 group->prefix.addr };
	if (c->depth)
		e->record = out->entry[c->stack[c->depth - 1]].record;
	find_clashes(c, group, n);
	paint_group(c, group, n, &e->record);
	c->stack[c->depth++] = out->n++;
}

static bool same_place(const struct rule *a, const struct rule *b)
{
	return a->proto == b->proto && a->prefix.len_bits == b->prefix.len_bits &&
	       addr_eq(&a->prefix.addr, &b->prefix.addr);
}

static void clear_rules(struct rule **rules)
{
	free(*rules);
}

int vip_compile(const struct conf *conf, const bool *skip, struct vip_compiled *ret,
		void (*on_fault)(const struct vip_fault *fault, void *ctx), void *ctx)
{
	struct vip_compiled out = { 0 };
	struct compile c = { .out = &out, .on_fault = on_fault, .ctx = ctx };
	int err = make_rules(&c, conf, skip);
	CLEANUP(clear_rules) struct rule *rules = c.rules;

	if (err)
		return err;
	out.entry = calloc(c.n_rules + 1, sizeof(*out.entry));
	if (!out.entry)
		return -ENOMEM;
	for (size_t i = 0, end; i < c.n_rules; i = end) {
		for (end = i + 1; end < c.n_rules && same_place(&rules[end], &rules[i]); end++)
			;
		add_group(&c, &rules[i], end - i);
	}
	for (size_t i = 0; i < out.n; i++)
		out.has_wide |= out.entry[i].record.n > 0;
	if (c.err) {
		vip_compiled_clear(&out);
		return c.err;
	}
	*ret = out;
	return 0;
}

void vip_compiled_clear(struct vip_compiled *c)
{
	free(c->entry);
	*c = (struct vip_compiled) { 0 };
}
