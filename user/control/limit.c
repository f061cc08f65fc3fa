/* SPDX-License-Identifier: BSD-2-Clause */
/* limit: the kernel's limits, as configured, as realised, and what they did. */
#include "dataplane/limit_map.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/clock.h"
#include "request.h"

static const char *const unit_names[LIMIT_UNITS] = {
	[LIMIT_PACKETS] = "packets",
	[LIMIT_BYTES] = "bytes",
	[LIMIT_CONNECTIONS] = "connections",
};

/* The rate that the meter's fixed point makes of the configured one. */
static double realised_per_s(const struct gcra_rate *rate)
{
	double cost = (double)rate->mult / (double)(1ULL << rate->shift);

	return cost > 0 ? (double)GCRA_FP_PER_S / cost : 0;
}

static json_t *limit_unit_json(const struct conf_rate *conf, const struct gcra_rate *rate,
			       const struct stats_limit *stats, enum limit_unit unit)
{
	char text[64] = "";

	if (conf->count == 0)
		return NULL;
	conf_rate_format(conf, text, sizeof(text));
	return json_pack("{s:s,s:I,s:f,s:I,s:I,s:I,s:I}", "rate", text, "burst",
			 (json_int_t)conf->burst, "realised_per_s", realised_per_s(rate),
			 "dropped_packets", (json_int_t)stats->dropped[unit].packets,
			 "dropped_bytes", (json_int_t)stats->dropped[unit].bytes,
			 "would_drop_packets", (json_int_t)stats->would_drop[unit].packets,
			 "would_drop_bytes", (json_int_t)stats->would_drop[unit].bytes);
}

static json_t *limit_json(struct dataplane *dp, const struct conf *conf,
			  const struct conf_limit *limit)
{
	uint32_t id = limit_map_class(dp, limit->name);
	json_t *sources = json_array();
	json_t *vips = json_array();
	struct limit_rates rates = { 0 };
	struct stats_limit stats = { 0 };
	json_t *row;

	limit_map_rates(dp, id, &rates);
	limit_map_stats(dp, id, &stats);
	for (size_t i = 0; i < limit->n_sources; i++) {
		char text[ADDR_TEXT_MAX];

		json_array_append_new(sources,
				      json_string(prefix_format(&limit->sources[i], text)));
	}
	for (size_t i = 0; i < conf->n_vips; i++)
		if (conf->vips[i].limit && !strcmp(conf->vips[i].limit, limit->name))
			json_array_append_new(vips, json_string(conf->vips[i].name));
	row = json_pack("{s:s,s:i,s:b,s:o,s:o,s:I,s:I}", "name", limit->name, "class", (int)id,
			"dry_run", limit->dry_run, "sources", sources, "vips", vips,
			"admitted_packets", (json_int_t)stats.admitted.packets, "admitted_bytes",
			(json_int_t)stats.admitted.bytes);
	for (enum limit_unit u = LIMIT_PACKETS; u < LIMIT_UNITS; u++) {
		json_t *unit = limit_unit_json(&limit->unit[u], &rates.unit[u], &stats, u);

		if (unit)
			json_object_set_new(row, unit_names[u], unit);
	}
	return row;
}

/* What one source has left: read from its record, spending nothing. */
static json_t *source_json(struct dataplane *dp, const struct addr *source, uint32_t id,
			   bool by_vip)
{
	struct limit_rates rates = { 0 };
	struct client client = { 0 };
	uint64_t now_fp = gcra_now_fp(clock_now_ns());
	char text[ADDR_TEXT_MAX];
	json_t *row = json_pack("{s:s}", "address", addr_format(source, text));
	int err = limit_map_client(dp, source, by_vip ? id : 0, &client);

	if (err == -ENOENT)
		json_object_set_new(row, "seen", json_false());
	if (err || limit_map_rates(dp, id, &rates))
		return row;
	json_object_set_new(row, "seen", json_true());
	json_object_set_new(row, "dropped_packets",
			    json_integer((json_int_t)client.dropped_packets));
	for (enum limit_unit u = LIMIT_PACKETS; u < LIMIT_UNITS; u++) {
		const struct gcra_rate *rate = &rates.unit[u];

		if (!rate->tolerance_fp)
			continue;
		json_object_set_new(
			row, unit_names[u],
			json_pack("{s:I,s:f}", "tokens",
				  (json_int_t)gcra_remaining(&client.tat[u], rate, now_fp),
				  "next_ms",
				  (double)gcra_wait_ns(&client.tat[u], rate, now_fp, 1) / 1e6));
	}
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
		return errmsg_set(&r->err, -EINVAL, "'%.64s' is not an address", source);
	r->data = limit_json(dp, supervisor_conf(r->s), limit);
	if (source)
		json_object_set_new(r->data, "source",
				    source_json(dp, &address, limit_map_class(dp, limit->name),
						limit->n_sources == 0));
	return 0;
}

static int limit_set(struct control_request *r)
{
	static const char *const fields[] = { "packets.rate",	  "packets.burst",
					      "bytes.rate",	  "bytes.burst",
					      "connections.rate", "connections.burst",
					      "dry_run",	  NULL };
	const struct conf_limit *limit = limit_named(r);
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
	for (size_t i = 0; i < limit->n_sources && !err; i++)
		err = request_guard(r, &limit->sources[i], what);
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
	if (!strcmp(r->verb, "set"))
		return limit_set(r);
	return request_no_verb(r);
}
