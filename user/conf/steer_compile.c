/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rules are sorted so that a prefix comes behind those around it. What a prefix says is painted over
 * a copy of what the nearest one around it says, the widest range first.
 */
#include "steer_compile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/addr.h"
#include "../base/cleanup.h"
#include "conf_check.h"

#define DEPTH_MAX 130 /* prefixes inside one another, of all lengths */
#define INTERNAL  SIZE_MAX

struct rule {
	struct prefix prefix;
	struct steer_range range; /* first > last: of no port */
	size_t listener, row;
	bool bound; /* a socket's own address: a rule only inside of what is steered */
	bool always;
};

struct compile {
	struct rule *rules;
	size_t n_rules;
	struct steer_compiled *out;
	size_t stack[DEPTH_MAX]; /* entries around the one at hand, the longest last */
	size_t depth;
	void (*on_fault)(const struct steer_fault *fault, void *ctx);
	void *ctx;
	int err;
};

bool steer_compile_is_v4(const struct prefix *p)
{
	return p->len_bits >= ADDR_V4_BITS && addr_is_v4(&p->addr);
}

bool steer_compile_is_all(const struct prefix *p)
{
	return p->len_bits == 0 || (p->len_bits == ADDR_V4_BITS && steer_compile_is_v4(p));
}

static void fault(struct compile *c, enum steer_fault_kind kind, const struct rule *rule,
		  const struct rule *other)
{
	const struct steer_fault f = { kind, rule->listener, rule->row, other ? other->listener : 0,
				       other ? other->row : 0 };

	c->err = -EINVAL;
	c->on_fault(&f, c->ctx);
}

static int by_rule(const void *x, const void *y)
{
	const struct rule *a = x, *b = y;
	int order = (int)steer_compile_is_v4(&a->prefix) - (int)steer_compile_is_v4(&b->prefix);

	if (!order)
		order = memcmp(&a->prefix.addr, &b->prefix.addr, sizeof(a->prefix.addr));
	if (!order)
		order = (a->prefix.len_bits > b->prefix.len_bits) -
			(a->prefix.len_bits < b->prefix.len_bits);
	if (!order) /* the widest first */
		order = (b->range.last - b->range.first) - (a->range.last - a->range.first);
	if (!order)
		order = a->range.first - b->range.first;
	if (!order)
		order = (a->listener > b->listener) - (a->listener < b->listener);
	return order ? order : (a->row > b->row) - (a->row < b->row);
}

/* A socket at the wildcard address is as wide as 0.0.0.0/0 or ::/0, and its range the narrowest. */
static void add_bound(struct compile *c, const struct addr *a, uint16_t port, size_t listener)
{
	const uint32_t any = addr_is_v4(a) ? ADDR_V4_BITS : 0;

	c->rules[c->n_rules++] = (struct rule) {
		.prefix = { conf_check_is_any(a) ? any : 128, *a },
		.range = { port, port, STEER_NOBODY, STEER_ABSENT_PASS, 0 },
		.listener = listener,
		.bound = true,
	};
}

/* IPv4 addresses are stored inside of IPv6: what steers these is not to meet those. */
static void fence_v4(struct compile *c)
{
	struct rule fence = { .prefix = { ADDR_V4_BITS, { .b = { [10] = 0xff, 0xff } } },
			      .range = { 1, 0, STEER_NOBODY, STEER_ABSENT_PASS, 0 },
			      .bound = true,
			      .always = true };
	bool need = false;

	for (size_t i = 0; i < c->n_rules; i++)
		need |= !steer_compile_is_v4(&c->rules[i].prefix) &&
			prefix_contains(&c->rules[i].prefix, &fence.prefix.addr);
	if (need)
		c->rules[c->n_rules++] = fence;
}

static int make_rules(struct compile *c, const struct conf *conf)
{
	size_t n = conf->n_listeners + 2;

	for (size_t i = 0; i < conf->n_listeners; i++)
		n += conf->listeners[i].n_steer;
	c->rules = calloc(n, sizeof(*c->rules));
	if (!c->rules)
		return -ENOMEM;
	if (conf->agent.internal_port)
		add_bound(c, &conf->agent.internal_address, conf->agent.internal_port, INTERNAL);
	for (size_t i = 0; i < conf->n_listeners; i++) {
		const struct conf_listener *l = &conf->listeners[i];

		add_bound(c, &l->address, l->port, i);
		for (size_t k = 0; k < l->n_steer; k++)
			c->rules[c->n_rules++] = (struct rule) {
				.prefix = l->steer[k].prefix,
				.range = { l->steer[k].ports.first, l->steer[k].ports.last,
					   (uint16_t)i, l->steer[k].absent, 0 },
				.listener = i,
				.row = k,
			};
	}
	fence_v4(c);
	qsort(c->rules, c->n_rules, sizeof(*c->rules), by_rule);
	return 0;
}

/* Copy a range, cut to what is in front of `before` or behind `after`. */
static void keep(struct steer_range *out, size_t *n, const struct steer_range *r, int first,
		 int last)
{
	if (first > last)
		return;
	out[*n] = *r;
	out[*n].first = (uint16_t)first;
	out[(*n)++].last = (uint16_t)last;
}

/* Put a range over those that are there. -E2BIG. */
static int paint(struct steer_prefix *p, const struct steer_range *r)
{
	struct steer_range out[STEER_RANGES_MAX + 2];
	bool placed = false;
	size_t n = 0;

	for (uint32_t i = 0; i < p->n; i++) {
		const struct steer_range *old = &p->range[i];

		keep(out, &n, old, old->first, old->last < r->first ? old->last : r->first - 1);
		if (!placed && old->last >= r->first) {
			out[n++] = *r;
			placed = true;
		}
		keep(out, &n, old, old->first > r->last ? old->first : r->last + 1, old->last);
	}
	if (!placed)
		out[n++] = *r;
	if (n > STEER_RANGES_MAX)
		return -E2BIG;
	memcpy(p->range, out, n * sizeof(*out));
	p->n = (uint32_t)n;
	return 0;
}

static bool is_inside(const struct steer_range *a, const struct steer_range *b)
{
	return a->first >= b->first && a->last <= b->last &&
	       a->last - a->first < b->last - b->first;
}

/* Among those of the same prefix that are wider or as wide. A socket's own place may be steered too. */
static bool clashes(struct compile *c, const struct rule *group, size_t i)
{
	const struct rule *r = &group[i];

	for (size_t k = 0; k < i; k++) {
		const struct rule *other = &group[k];

		if (r->range.first > other->range.last || r->range.last < other->range.first ||
		    is_inside(&r->range, &other->range) || r->range.first > r->range.last)
			continue;
		if (r->bound || other->bound) {
			const struct rule *row = r->bound ? other : r;
			const struct rule *socket = r->bound ? r : other;

			if (row->bound || row->listener == socket->listener)
				continue;
			fault(c, STEER_FAULT_BOUND, row, socket);
			return true;
		}
		if (r->listener < other->listener ||
		    (r->listener == other->listener && r->row < other->row))
			fault(c, STEER_FAULT_SAME, other, r);
		else
			fault(c, STEER_FAULT_SAME, r, other);
		return true;
	}
	return false;
}

static void paint_group(struct compile *c, const struct rule *group, size_t n,
			struct steer_entry *e)
{
	for (size_t i = 0; i < n; i++) {
		if (!group[i].bound && !steer_compile_is_all(&group[i].prefix))
			e->record.flags |= STEER_ROUTE;
		if (clashes(c, group, i) || group[i].range.first > group[i].range.last)
			continue;
		if (paint(&e->record, &group[i].range)) {
			fault(c, STEER_FAULT_RANGES, &group[i], NULL);
			return;
		}
	}
}

static bool is_around(const struct prefix *outer, const struct prefix *inner)
{
	return steer_compile_is_v4(outer) == steer_compile_is_v4(inner) &&
	       outer->len_bits < inner->len_bits && prefix_contains(outer, &inner->addr);
}

static void add_group(struct compile *c, const struct rule *group, size_t n)
{
	struct steer_compiled *out = c->out;
	struct steer_entry *e = &out->entry[out->n];
	bool needed = false;

	while (c->depth && !is_around(&out->entry[c->stack[c->depth - 1]].prefix, &group->prefix))
		c->depth--;
	for (size_t i = 0; i < n; i++)
		needed |= !group[i].bound || group[i].always;
	if (!needed && !c->depth)
		return;
	e->prefix = group->prefix;
	if (c->depth) {
		e->record = out->entry[c->stack[c->depth - 1]].record;
		e->record.flags = 0;
	}
	paint_group(c, group, n, e);
	c->stack[c->depth++] = out->n++;
}

static void clear_rules(struct rule **rules)
{
	free(*rules);
}

int steer_compile(const struct conf *conf, struct steer_compiled *ret,
		  void (*on_fault)(const struct steer_fault *fault, void *ctx), void *ctx)
{
	struct steer_compiled out = { 0 };
	struct compile c = { .out = &out, .on_fault = on_fault, .ctx = ctx };
	int err = make_rules(&c, conf);
	CLEANUP(clear_rules) struct rule *rules = c.rules;

	if (err)
		return err;
	out.entry = calloc(c.n_rules, sizeof(*out.entry));
	if (!out.entry)
		return -ENOMEM;
	for (size_t i = 0, end; i < c.n_rules; i = end) {
		end = i + 1;
		while (end < c.n_rules && rules[end].prefix.len_bits == rules[i].prefix.len_bits &&
		       addr_eq(&rules[end].prefix.addr, &rules[i].prefix.addr))
			end++;
		add_group(&c, &rules[i], end - i);
		if (out.n > STEER_PREFIXES_MAX) {
			fault(&c, STEER_FAULT_PREFIXES, &rules[i], NULL);
			break;
		}
	}
	if (c.err) {
		steer_compiled_clear(&out);
		return c.err;
	}
	*ret = out;
	return 0;
}

void steer_compiled_clear(struct steer_compiled *c)
{
	free(c->entry);
	*c = (struct steer_compiled) { 0 };
}
