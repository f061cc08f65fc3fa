/* SPDX-License-Identifier: BSD-2-Clause */
/* limit: the kernel's limits, as configured, as realised, and what they did. */
#include "dataplane/limit_map.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "dataplane/acl_map.h"
#include "dataplane/limit_concurrent.h"
#include "limit_explain.h"
#include "request.h"
#include "sluice/abi/source.h"

#define LIMITS_MET_MAX 8

/* The rate that the meter's fixed point makes of the configured one. */
static double realised_per_s(const struct gcra_rate *rate)
{
	double cost = (double)rate->mult / (double)(1ULL << rate->shift);

	return cost > 0 ? (double)GCRA_FP_PER_S / cost : 0;
}

/* What was refused of a unit, by each source's rate or by the total over all; NULL: it has neither. */
static json_t *limit_unit_json(const struct conf_limit *limit, const struct gcra_rate *rate,
			       const struct stats_limit *stats, enum limit_unit unit)
{
	const struct conf_rate *each = &limit->unit[unit];
	json_t *row;
	char text[64] = "";

	if (!each->count && !limit->total[unit].count)
		return NULL;
	row = json_pack("{s:I,s:I,s:I,s:I}", "dropped_packets",
			(json_int_t)stats->dropped[unit].packets, "dropped_bytes",
			(json_int_t)stats->dropped[unit].bytes, "would_drop_packets",
			(json_int_t)stats->would_drop[unit].packets, "would_drop_bytes",
			(json_int_t)stats->would_drop[unit].bytes);
	if (!row || !each->count)
		return row;
	conf_rate_format(each, text, sizeof(text));
	json_object_set_new(row, "rate", json_string(text));
	json_object_set_new(row, "burst", json_integer((json_int_t)each->burst));
	json_object_set_new(row, "realised_per_s", json_real(realised_per_s(rate)));
	return row;
}

static json_t *sources_json(const struct conf_limit *limit)
{
	json_t *list = json_array();
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < limit->n_sources; i++)
		json_array_append_new(list, json_string(prefix_format(&limit->sources[i], text)));
	return list;
}

/* Those that it names, and those that name it. */
static json_t *vips_json(const struct conf *conf, const struct conf_limit *limit)
{
	json_t *list = json_array();

	for (size_t i = 0; i < limit->n_vips; i++)
		json_array_append_new(list, json_string(limit->vips[i]));
	for (size_t i = 0; i < conf->n_vips; i++) {
		const struct conf_vip *v = &conf->vips[i];
		bool is = v->limit && !strcmp(v->limit, limit->name);

		for (size_t j = 0; j < limit->n_vips && is; j++)
			is = strcmp(limit->vips[j], v->name) != 0;
		if (is)
			json_array_append_new(list, json_string(v->name));
	}
	return list;
}

static json_t *ports_json(const struct conf_limit *limit)
{
	json_t *list = json_array();
	char text[16];

	for (size_t i = 0; i < limit->n_ports; i++) {
		const struct conf_ports *p = &limit->ports[i];

		snprintf(text, sizeof(text), p->first == p->last ? "%u" : "%u-%u", p->first,
			 p->last);
		json_array_append_new(list, json_string(text));
	}
	return list;
}

static json_t *totals_json(const struct conf_limit *limit)
{
	json_t *row = json_object();
	char text[64];

	for (enum limit_unit u = LIMIT_PACKETS; u < LIMIT_UNITS; u++) {
		if (!limit->total[u].count)
			continue;
		text[0] = 0;
		conf_rate_format(&limit->total[u], text, sizeof(text));
		json_object_set_new(row, limit_unit_name(u),
				    json_pack("{s:s,s:I}", "rate", text, "burst",
					      (json_int_t)limit->total[u].burst));
	}
	return row;
}

/* What the file says of whom it is for. */
static json_t *selectors_json(const struct conf *conf, const struct conf_limit *limit)
{
	return json_pack("{s:s,s:s,s:b,s:o,s:o,s:s,s:o,s:s,s:s,s:I,s:o}", "name", limit->name,
			 "direction", limit->direction == CONF_EGRESS ? "egress" : "ingress",
			 "dry_run", limit->dry_run, "sources", sources_json(limit), "vips",
			 vips_json(conf, limit), "protocol",
			 limit->protocol == IPPROTO_TCP	  ? "tcp"
			 : limit->protocol == IPPROTO_UDP ? "udp"
							  : "any",
			 "ports", ports_json(limit), "kind", limit_kind_name(limit->kind), "per",
			 limit->per == CONF_PER_PREFIX ? "prefix" : "source", "rows",
			 (json_int_t)limit->rows, "total", totals_json(limit));
}

/* How many there may be, are, and what was refused for it. */
static json_t *concurrent_json(struct dataplane *dp, const struct conf_limit *limit, uint32_t id,
			       const struct stats_limit *stats)
{
	struct limit_concurrent_sum sums[LIMIT_CLASSES] = { 0 };

	limit_concurrent_sums(dp, sums);
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "max", (json_int_t)limit->concurrent,
			 "connections", (json_int_t)sums[id].connections, "sources",
			 (json_int_t)sums[id].sources, "dropped_packets",
			 (json_int_t)stats->dropped[LIMIT_CONCURRENT].packets, "dropped_bytes",
			 (json_int_t)stats->dropped[LIMIT_CONCURRENT].bytes, "would_drop_packets",
			 (json_int_t)stats->would_drop[LIMIT_CONCURRENT].packets,
			 "would_drop_bytes", (json_int_t)stats->would_drop[LIMIT_CONCURRENT].bytes);
}

static json_t *limit_json(struct dataplane *dp, const struct conf *conf,
			  const struct conf_limit *limit)
{
	uint32_t id = limit_map_class(dp, limit->name);
	json_t *row = selectors_json(conf, limit);
	struct limit_rates rates = { 0 };
	struct stats_limit stats = { 0 };

	limit_map_rates(dp, id, &rates);
	limit_map_stats(dp, id, &stats);
	json_object_set_new(row, "class", json_integer(id));
	json_object_set_new(row, "admitted_packets",
			    json_integer((json_int_t)stats.admitted.packets));
	json_object_set_new(row, "admitted_bytes", json_integer((json_int_t)stats.admitted.bytes));
	json_object_set_new(row, "marked_packets", json_integer((json_int_t)stats.marked.packets));
	for (enum limit_unit u = LIMIT_PACKETS; u < LIMIT_UNITS; u++) {
		json_t *unit = limit_unit_json(limit, &rates.unit[u], &stats, u);

		if (unit)
			json_object_set_new(row, limit_unit_name(u), unit);
	}
	if (limit->concurrent)
		json_object_set_new(row, "concurrent", concurrent_json(dp, limit, id, &stats));
	return row;
}

/* The service that packets of a limit's selectors are of: 0 where it selects by source alone. */
static uint8_t limit_service(struct dataplane *dp, const struct conf *conf,
			     const struct conf_limit *limit)
{
	json_t *vips = vips_json(conf, limit);
	const char *vip = json_string_value(json_array_get(vips, 0));
	uint8_t service = 0;

	if (vip)
		service = limit_map_service(dp, vip);
	else if (limit->n_ports > 0)
		service = limit_map_port_service(
			dp, limit->protocol ? limit->protocol : IPPROTO_TCP, limit->ports[0].first);
	else if (limit->protocol) /* which a limit of a port could not be in the way of: port 0 */
		service = limit_map_port_service(dp, limit->protocol, 0);
	json_decref(vips);
	return service;
}

/*
 * NULL: the limit decides about packets of the source that it selects. Otherwise a JSON string that
 * says who does, or that nobody does.
 */
static json_t *limit_aside(struct dataplane *dp, const struct conf *conf,
			   const struct conf_limit *limit, const struct addr *source)
{
	struct limit_explain e[LIMITS_MET_MAX];
	uint8_t answer = acl_map_answer(dp, source);
	int n;

	if (answer == SOURCE_ALLOW)
		return json_string("exempt (acl.allow)");
	if (answer == SOURCE_DENY)
		return json_string("denied (acl.deny)");
	if (limit->direction == CONF_EGRESS)
		return NULL;
	n = limit_map_explain(dp, source, limit_service(dp, conf, limit),
			      (enum limit_kind)limit->kind, e, LIMITS_MET_MAX);
	for (int i = 0; i < n; i++)
		if (e[i].limit_class == limit_map_class(dp, limit->name))
			return NULL;
	if (n > 0 && limit_map_name(dp, e[0].limit_class))
		return json_sprintf("governed by limit %s", limit_map_name(dp, e[0].limit_class));
	return json_string("not covered");
}

/* What one source has left, spending nothing. */
static json_t *source_json(struct dataplane *dp, const struct conf *conf, const struct addr *source,
			   const struct conf_limit *limit)
{
	json_t *aside = limit_aside(dp, conf, limit, source);
	struct limit_explain e;
	char text[ADDR_TEXT_MAX];
	json_t *row = json_pack("{s:s,s:b}", "address", addr_format(source, text), "governs",
				aside == NULL);

	if (aside)
		json_object_set_new(row, "aside", aside);
	else if (limit_map_explain_class(dp, source, limit_map_class(dp, limit->name), &e) == 0)
		limit_explain_add(row, &e);
	return row;
}

static const struct conf_limit *limit_named(struct control_request *r)
{
	const char *name = request_arg(r, "name");
	const struct conf_limit *limit = name ? conf_limit(supervisor_conf(r->s), name) : NULL;

	if (name && !limit)
		errmsg_set(&r->err, -ENOENT, "there is no limit '%.64s'; see sluicectl limit list",
			   name);
	return limit;
}

static int limit_show(struct control_request *r)
{
	const struct conf_limit *limit = limit_named(r);
	const char *source = request_arg_opt(r, "address");
	struct dataplane *dp = request_dataplane(r);
	struct addr address;

	if (!limit || !dp)
		return -ENOENT;
	if (source && addr_parse(source, &address))
		return errmsg_set(
			&r->err, -EINVAL,
			"'%.64s' is not an address: write one without a length, e.g. 192.0.2.7",
			source);
	r->data = limit_json(dp, supervisor_conf(r->s), limit);
	if (source)
		json_object_set_new(r->data, "source",
				    source_json(dp, supervisor_conf(r->s), &address, limit));
	return 0;
}

static int limit_set(struct control_request *r)
{
	static const char *const fields[] = { "packets.rate",
					      "packets.burst",
					      "bytes.rate",
					      "bytes.burst",
					      "connections.rate",
					      "connections.burst",
					      "total.packets.rate",
					      "total.packets.burst",
					      "total.bytes.rate",
					      "total.bytes.burst",
					      "total.connections.rate",
					      "total.connections.burst",
					      "concurrent",
					      "per",
					      "rows",
					      "dry_run",
					      NULL };
	const struct conf_limit *limit = limit_named(r);
	struct prefix whole = { .len_bits = 128, .addr = r->ssh };
	char what[128];
	json_t *edit;
	int err;

	if (!limit)
		return -ENOENT;
	if (!request_set(r))
		return errmsg_set(&r->err, -EINVAL,
				  "limit set needs a field, e.g. "
				  "packets.rate=200/s");
	err = request_check_set(r, fields);
	snprintf(what, sizeof(what), "limit %s", limit->name);
	if (!err && r->has_ssh && request_limit_meets(limit, &r->ssh))
		err = request_guard(r, &whole, what);
	if (err)
		return err;
	edit = json_pack("{s:s,s:s,s:s}", "kind", "limit", "op", "set", "name", limit->name);
	err = request_fields(r, edit);
	if (err) {
		json_decref(edit);
		return err;
	}
	return request_edit(r, edit);
}

/* Sources get other cells; nobody a fresh burst. */
static int limit_rotate(struct control_request *r)
{
	struct supervisor_limit_key key;
	int err;

	if (!request_dataplane(r))
		return -ENODEV;
	err = supervisor_limit_key(r->s, &key);
	if (!err && key.rotating)
		err = -EALREADY;
	if (!err && !r->dry_run)
		err = supervisor_limit_rotate(r->s, &r->who);
	if (err == -EALREADY)
		return errmsg_set(&r->err, err, "a new key is on its way in already");
	if (err)
		return errmsg_set(&r->err, err, "cannot make a key: %s", strerror(-err));
	snprintf(r->text, sizeof(r->text), "%s in %.1f s, and nobody gets a fresh burst%s",
		 r->dry_run ? "a new key would be in force" : "a new key will be in force",
		 (double)key.wait_ms / 1e3, r->dry_run ? " (dry run)" : "");
	return 0;
}

int control_limit(struct control_request *r)
{
	const struct conf *conf = supervisor_conf(r->s);

	if (!strcmp(r->verb, "list")) {
		struct dataplane *dp = request_dataplane(r);

		if (!dp)
			return -ENODEV;
		r->data = json_array();
		for (size_t i = 0; i < conf->n_limits; i++)
			json_array_append_new(r->data, limit_json(dp, conf, &conf->limits[i]));
		return 0;
	}
	if (!strcmp(r->verb, "show"))
		return limit_show(r);
	if (!strcmp(r->verb, "explain"))
		return limit_explain(r);
	if (!strcmp(r->verb, "set"))
		return limit_set(r);
	if (!strcmp(r->verb, "rotate"))
		return limit_rotate(r);
	return request_no_verb(r);
}
