/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A row holds, for each service, the limit of each selector. The row of a prefix is that of the
 * shorter prefix around it, overridden by the limits that name it: so the longest wins. Rows that are
 * the same are one group. Where a million prefixes are of one limit, its row is made once.
 */
#include "limit_compile.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "../base/addr.h"
#include "../base/cleanup.h"
#include "vip_place.h"

#define CACHE_ROWS 1024
#define DEPTH_MAX  130 /* prefixes inside one another, of all lengths, and everybody */
#define EVERYBODY  SIZE_MAX
#define EGRESS_BIT 0 /* of struct limit_bits */

/* A source of a limit. */
struct entry {
	struct prefix prefix;
	uint32_t number;
	uint32_t index;
};

struct cached {
	bool valid;
	size_t parent;
	struct limit_bits bits;
	size_t row;
};

struct compile {
	const struct conf *conf;
	struct limit_compiled *out;
	struct limit_fault *fault;
	struct errmsg *err;
	enum limit_selector selector[LIMIT_CLASSES]; /* by number */
	struct limit_bits everybody;
	struct entry *entries;
	size_t n_entries;
	uint8_t (*rows)[LIMIT_SELECTORS]; /* by row * n_services + service */
	struct cached cache[CACHE_ROWS];
};

static bool bits_equal(const struct limit_bits *a, const struct limit_bits *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static const struct conf_limit *limit_of(const struct compile *c, size_t number)
{
	return &c->conf->limits[number - 1];
}

static const char *name_of(const struct compile *c, size_t number)
{
	return limit_of(c, number)->name;
}

static bool is_v4(const struct prefix *p)
{
	return p->len_bits >= ADDR_V4_BITS && addr_is_v4(&p->addr);
}

/* A shorter prefix before those inside it. */
static int by_prefix(const struct prefix *a, const struct prefix *b)
{
	int order = (int)is_v4(b) - (int)is_v4(a);

	if (!order)
		order = memcmp(&a->addr, &b->addr, sizeof(a->addr));
	return order ? order : (a->len_bits > b->len_bits) - (a->len_bits < b->len_bits);
}

static int by_entry(const void *x, const void *y)
{
	const struct entry *a = x, *b = y;
	int order = by_prefix(&a->prefix, &b->prefix);

	if (!order)
		order = (a->number > b->number) - (a->number < b->number);
	return order ? order : (a->index > b->index) - (a->index < b->index);
}

static bool covers(const struct prefix *around, const struct prefix *p)
{
	return is_v4(around) == is_v4(p) && around->len_bits <= p->len_bits &&
	       prefix_contains(around, &p->addr);
}

/* Where a country has no prefixes, the limit is for nobody, not for everybody. */
static bool has_sources(const struct conf_limit *limit)
{
	return limit->n_sources || limit->n_countries || limit->n_asns;
}

enum limit_selector limit_compile_selector(const struct conf *conf, const struct conf_limit *limit)
{
	if (limit->kind)
		return LIMIT_OF_KIND;
	if (limit->n_vips)
		return LIMIT_TO_VIP;
	for (size_t i = 0; i < conf->n_vips; i++)
		if (conf->vips[i].limit && limit->name &&
		    strcmp(conf->vips[i].limit, limit->name) == 0)
			return LIMIT_TO_VIP;
	if (limit->n_ports)
		return LIMIT_TO_PORTS;
	if (limit->protocol)
		return LIMIT_TO_PROTOCOL;
	return has_sources(limit) ? LIMIT_TO_ALL : LIMIT_TO_NOTHING;
}

/* The service of a destination, by the limits that name it. */
static int service_of(struct compile *c, const struct limit_bits *bits, uint8_t *ret)
{
	struct limit_compiled *out = c->out;
	size_t i;

	for (i = 0; i < out->n_services; i++)
		if (bits_equal(&out->service[i], bits))
			break;
	if (i == LIMIT_SERVICES)
		return errmsg_set(c->err, -E2BIG,
				  "the vips, ports and protocols of limits make more than %d "
				  "combinations; name fewer apart",
				  LIMIT_SERVICES - 1);
	if (i == out->n_services)
		out->service[out->n_services++] = *bits;
	*ret = (uint8_t)i;
	return 0;
}

/* How many ranges begin at each port, less those that ended before it: linear in both. */
static void count_ranges(const struct conf_limit *limit, int32_t *begin)
{
	memset(begin, 0, 65537 * sizeof(*begin));
	if (!limit->n_ports) /* of the protocol: of all ports, and of what has none */
		begin[0] = 1;
	for (size_t i = 0; i < limit->n_ports; i++) {
		begin[limit->ports[i].first]++;
		begin[limit->ports[i].last + 1]--;
	}
}

/* A table of services by port. */
struct ports {
	enum limit_port_table table;
	uint8_t protocol; /* 0: neither TCP nor UDP */
	enum conf_direction direction;
};

/* Limits of each port of a protocol; at port 0, where fragments are, of the protocol alone. */
static void bits_of_ports(const struct compile *c, const struct ports *of, int32_t *begin,
			  struct limit_bits *port)
{
	for (size_t p = 0; of->direction == CONF_EGRESS && p < 65536; p++)
		limit_bits_set(&port[p], EGRESS_BIT);
	for (size_t number = 1; number <= c->conf->n_limits; number++) {
		const struct conf_limit *limit = limit_of(c, number);
		int32_t ranges = 0;

		if (!of->protocol || limit->protocol != of->protocol ||
		    limit->direction != of->direction ||
		    (c->selector[number] != LIMIT_TO_PORTS &&
		     c->selector[number] != LIMIT_TO_PROTOCOL))
			continue;
		count_ranges(limit, begin);
		for (size_t p = 0; p < 65536; p++) {
			ranges += begin[p];
			if (ranges > 0)
				limit_bits_set(&port[p], number);
		}
	}
}

/* Limits that name each vip. */
static void bits_of_vips(const struct compile *c, struct limit_bits *vip)
{
	const struct conf *conf = c->conf;

	for (size_t i = 0; i < conf->n_vips; i++) {
		const struct conf_limit *limit =
			conf->vips[i].limit ? conf_limit(conf, conf->vips[i].limit) : NULL;

		if (limit)
			limit_bits_set(&vip[i], (size_t)(limit - conf->limits) + 1);
	}
	for (size_t number = 1; number <= conf->n_limits; number++) {
		const struct conf_limit *limit = limit_of(c, number);

		for (size_t i = 0; i < limit->n_vips; i++) {
			const struct conf_vip *v = conf_vip(conf, limit->vips[i]);

			if (v)
				limit_bits_set(&vip[v - conf->vips], number);
		}
	}
}

/*
 * A vip is a destination port too: the limits of that port, and of its protocol, are its as well; of
 * one of more ports, those that all of them have.
 */
static void add_ports(const struct conf_vip *v, const struct limit_bits *port,
		      struct limit_bits *ret)
{
	const struct conf_ports ports = vip_place_ports(v);
	struct limit_bits all = port[ports.first];

	for (size_t p = ports.first; p <= ports.last; p++)
		for (size_t w = 0; w < LIMIT_CLASSES / 64; w++)
			all.w[w] &= port[p].w[w];
	for (size_t w = 0; w < LIMIT_CLASSES / 64; w++)
		ret->w[w] |= all.w[w];
}

static int port_services(struct compile *c, const struct ports *of, struct limit_bits *port,
			 struct limit_bits *vip)
{
	CLEANUP_FREE int32_t *begin = calloc(65537, sizeof(*begin));
	struct limit_compiled *out = c->out;
	uint8_t *service = out->port[of->table];
	int err = 0;

	if (!begin)
		return -ENOMEM;
	memset(port, 0, 65536 * sizeof(*port));
	bits_of_ports(c, of, begin, port);
	for (size_t p = 0; p < 65536 && !err; p++) {
		if (p && bits_equal(&port[p], &port[p - 1]))
			service[p] = service[p - 1];
		else
			err = service_of(c, &port[p], &service[p]);
		if (of->direction == CONF_INGRESS)
			out->has_ports = out->has_ports || service[p];
	}
	for (size_t i = 0; i < c->conf->n_vips && !err; i++) {
		const struct conf_vip *v = &c->conf->vips[i];

		if (v->protocol != of->protocol || of->direction != CONF_INGRESS)
			continue;
		add_ports(v, port, &vip[i]);
		err = service_of(c, &vip[i], &out->vip[i]);
	}
	return err;
}

static bool has_egress(const struct compile *c)
{
	for (size_t number = 1; number <= c->conf->n_limits; number++)
		if (limit_of(c, number)->direction == CONF_EGRESS &&
		    c->selector[number] < LIMIT_SELECTORS)
			return true;
	return false;
}

static int compile_services(struct compile *c)
{
	static const struct ports tables[LIMIT_PORT_TABLES] = {
		{ LIMIT_PORT_TCP, IPPROTO_TCP, CONF_INGRESS },
		{ LIMIT_PORT_UDP, IPPROTO_UDP, CONF_INGRESS },
		{ LIMIT_PORT_EGRESS_TCP, IPPROTO_TCP, CONF_EGRESS },
		{ LIMIT_PORT_EGRESS_UDP, IPPROTO_UDP, CONF_EGRESS },
		{ LIMIT_PORT_EGRESS_OTHER, 0, CONF_EGRESS },
	};
	CLEANUP_FREE struct limit_bits *port = calloc(65536, sizeof(*port));
	CLEANUP_FREE struct limit_bits *vip = calloc(c->conf->n_vips + 1, sizeof(*vip));
	struct limit_compiled *out = c->out;
	int err = 0;

	out->vip = calloc(c->conf->n_vips + 1, sizeof(*out->vip));
	if (!port || !vip || !out->vip)
		return -ENOMEM;
	out->n_services = 1;
	bits_of_vips(c, vip);
	out->has_egress = has_egress(c);
	for (size_t i = 0; i < LIMIT_PORT_TABLES && !err; i++)
		if (tables[i].direction == CONF_INGRESS || out->has_egress)
			err = port_services(c, &tables[i], port, vip);
	return err;
}

static void collect(struct compile *c)
{
	size_t n = 0;

	for (size_t number = 1; number <= c->conf->n_limits; number++) {
		const struct conf_limit *limit = limit_of(c, number);

		c->selector[number] = limit_compile_selector(c->conf, limit);
		if (c->selector[number] == LIMIT_OF_KIND)
			c->out->kind[limit->kind % LIMIT_KINDS] = (uint8_t)number;
		if (c->selector[number] >= LIMIT_SELECTORS)
			continue;
		if (!has_sources(limit))
			limit_bits_set(&c->everybody, number);
		for (size_t i = 0; i < limit->n_sources; i++, n++) {
			const struct prefix *p = &limit->sources[i];

			c->entries[n].prefix.len_bits = p->len_bits;
			c->entries[n].prefix.addr = addr_mask(&p->addr, p->len_bits);
			c->entries[n].number = (uint32_t)number;
			c->entries[n].index = (uint32_t)i;
		}
	}
	c->n_entries = n;
	if (n)
		qsort(c->entries, n, sizeof(*c->entries), by_entry);
}

static size_t source_index(const struct compile *c, size_t number, const struct prefix *p)
{
	const struct conf_limit *limit = limit_of(c, number);

	for (size_t i = 0; p && i < limit->n_sources; i++)
		if (limit->sources[i].len_bits == p->len_bits && covers(p, &limit->sources[i]))
			return i;
	return EVERYBODY;
}

static int tie(struct compile *c, size_t first, size_t second, const struct prefix *p)
{
	char text[ADDR_TEXT_MAX];

	*c->fault = (struct limit_fault) { second - 1, source_index(c, second, p), first - 1,
					   source_index(c, first, p) };
	return errmsg_set(
		c->err, -EEXIST, "limits %s and %s are both for %s and the same destination",
		name_of(c, first), name_of(c, second), p ? prefix_format(p, text) : "everybody");
}

static int too_many(struct compile *c, const uint8_t slot[LIMIT_SELECTORS])
{
	*c->fault = (struct limit_fault) { slot[LIMIT_TO_ALL] - 1, EVERYBODY,
					   slot[LIMIT_TO_VIP] - 1, EVERYBODY };
	return errmsg_set(
		c->err, -E2BIG,
		"limits %s, %s, %s and %s would meet one packet, of its vip, its port, its "
		"protocol and its source; at most %d can",
		name_of(c, slot[0]), name_of(c, slot[1]), name_of(c, slot[2]), name_of(c, slot[3]),
		LIMIT_SET_CLASSES);
}

/* Does a limit concern what goes to a service? */
static bool is_of_service(const struct compile *c, size_t number, const struct limit_bits *service)
{
	if (c->selector[number] != LIMIT_TO_ALL)
		return limit_bits_has(service, number);
	return limit_bits_has(service, EGRESS_BIT) ==
	       (limit_of(c, number)->direction == CONF_EGRESS);
}

/*
 * Put the limits of a prefix over a row.
 *   p  for errors; NULL: everybody
 */
static int override(struct compile *c, uint8_t (*row)[LIMIT_SELECTORS],
		    const struct limit_bits *bits, const struct prefix *p)
{
	struct limit_compiled *out = c->out;

	for (size_t number = 1; number <= c->conf->n_limits; number++) {
		enum limit_selector s = c->selector[number];

		if (!limit_bits_has(bits, number))
			continue;
		for (size_t i = 0; i < out->n_services; i++) {
			uint8_t *slot = &row[i][s];

			if (!is_of_service(c, number, &out->service[i]))
				continue;
			if (*slot && *slot != number && limit_bits_has(bits, *slot))
				return tie(c, *slot, number, p);
			*slot = (uint8_t)number;
		}
	}
	for (size_t i = 0; i < out->n_services; i++)
		if (row[i][0] && row[i][1] && row[i][2] && row[i][3])
			return too_many(c, row[i]);
	return 0;
}

static uint8_t (*row_at(const struct compile *c, size_t row))[LIMIT_SELECTORS]
{
	return c->rows + row * c->out->n_services;
}

/* The row of a prefix of these limits inside one of row parent. */
static int make_row(struct compile *c, size_t parent, const struct limit_bits *bits,
		    const struct prefix *p, size_t *ret)
{
	struct limit_compiled *out = c->out;
	size_t n = out->n_groups, i;
	int err;

	memcpy(row_at(c, n), row_at(c, parent), out->n_services * sizeof(*c->rows));
	err = override(c, row_at(c, n), bits, p);
	if (err)
		return err;
	for (i = 0; i < n; i++)
		if (memcmp(row_at(c, i), row_at(c, n), out->n_services * sizeof(*c->rows)) == 0)
			break;
	if (i == LIMIT_GROUPS)
		return errmsg_set(c->err, -E2BIG,
				  "the sources of limits make more than %d groups that meet "
				  "different limits",
				  SOURCE_GROUP_MAX);
	out->n_groups += i == n;
	*ret = i;
	return 0;
}

static int cached_row(struct compile *c, size_t parent, const struct limit_bits *bits,
		      const struct prefix *p, size_t *ret)
{
	uint64_t hash = parent;
	struct cached *e;
	int err;

	for (size_t w = 0; w < LIMIT_CLASSES / 64; w++)
		hash = (hash ^ bits->w[w]) * 0x9e3779b97f4a7c15ULL;
	e = &c->cache[hash >> 54];
	if (!e->valid || e->parent != parent || !bits_equal(&e->bits, bits)) {
		err = make_row(c, parent, bits, p, &e->row);
		if (err)
			return err;
		*e = (struct cached) { true, parent, *bits, e->row };
	}
	*ret = e->row;
	return 0;
}

/* Walk the prefixes, those around the present one on a stack. */
static int compile_sources(struct compile *c)
{
	struct {
		const struct prefix *prefix;
		size_t row;
	} stack[DEPTH_MAX] = { { NULL, 0 } };
	size_t depth = 1;
	int err = 0;

	for (size_t i = 0, next; i < c->n_entries && !err; i = next) {
		const struct prefix *p = &c->entries[i].prefix;
		struct limit_bits bits = { 0 };

		for (next = i; next < c->n_entries && !by_prefix(p, &c->entries[next].prefix);
		     next++)
			limit_bits_set(&bits, c->entries[next].number);
		/* Everybody is a prefix of length 0, by another name. */
		for (size_t w = 0; p->len_bits == (is_v4(p) ? ADDR_V4_BITS : 0) && w < 4; w++)
			bits.w[w] |= c->everybody.w[w];
		while (depth > 1 && !covers(stack[depth - 1].prefix, p))
			depth--;
		stack[depth].prefix = p;
		err = cached_row(c, stack[depth - 1].row, &bits, p, &stack[depth].row);
		if (!err && stack[depth].row != stack[depth - 1].row)
			c->out->sources[c->out->n_sources++] =
				(struct limit_source) { *p, (uint8_t)stack[depth].row };
		depth++;
	}
	return err;
}

static int write_sets(struct compile *c)
{
	struct limit_compiled *out = c->out;
	size_t cells = out->n_groups * out->n_services;

	out->set = calloc(cells, sizeof(*out->set));
	for (size_t i = 0; out->set && i < cells; i++) {
		size_t n = 0;

		for (int s = 0; s < LIMIT_SELECTORS && n < LIMIT_SET_CLASSES; s++)
			if (c->rows[i][s])
				out->set[i][n++] = c->rows[i][s];
	}
	return out->set ? 0 : -ENOMEM;
}

static int compile(struct compile *c)
{
	size_t n = 1;
	int err;

	for (size_t i = 0; i < c->conf->n_limits; i++)
		n += c->conf->limits[i].n_sources;
	c->entries = calloc(n, sizeof(*c->entries));
	c->out->sources = calloc(n, sizeof(*c->out->sources));
	if (!c->entries || !c->out->sources)
		return -ENOMEM;
	collect(c);
	err = compile_services(c);
	if (err)
		return err;
	/* One more than the groups: where the next is tried. */
	c->rows = calloc((LIMIT_GROUPS + 1) * c->out->n_services, sizeof(*c->rows));
	if (!c->rows)
		return -ENOMEM;
	c->out->n_groups = 1;
	err = override(c, c->rows, &c->everybody, NULL);
	if (!err)
		err = compile_sources(c);
	return err ? err : write_sets(c);
}

int limit_compile(const struct conf *conf, struct limit_compiled **ret, struct limit_fault *fault,
		  struct errmsg *err)
{
	CLEANUP_FREE struct compile *c = calloc(1, sizeof(*c));
	struct limit_compiled *out = calloc(1, sizeof(*out));
	int code = -ENOMEM;

	*fault = (struct limit_fault) { EVERYBODY, EVERYBODY, EVERYBODY, EVERYBODY };
	errmsg_set(err, code, "no memory");
	if (c && out) {
		*c = (struct compile) { .conf = conf, .out = out, .fault = fault, .err = err };
		code = compile(c);
		free(c->entries);
		free(c->rows);
	}
	if (code)
		limit_compile_free(out);
	else
		*ret = out;
	return code;
}

void limit_compile_free(struct limit_compiled *c)
{
	if (!c)
		return;
	free(c->sources);
	free(c->set);
	free(c->vip);
	free(c);
}

static int by_source(const void *x, const void *y)
{
	return by_prefix(&((const struct limit_source *)x)->prefix,
			 &((const struct limit_source *)y)->prefix);
}

uint8_t limit_compile_group(const struct limit_compiled *c, const struct addr *a)
{
	uint32_t least = addr_is_v4(a) ? ADDR_V4_BITS : 0;

	for (uint32_t len = 129; c->n_sources && len-- > least;) {
		struct limit_source key = { .prefix = { len, addr_mask(a, len) } }, *found;

		found = bsearch(&key, c->sources, c->n_sources, sizeof(key), by_source);
		if (found)
			return found->group;
	}
	return SOURCE_NONE;
}
