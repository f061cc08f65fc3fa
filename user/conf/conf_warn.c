/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf_warn.h"

#include <stdbool.h>
#include <string.h>

#include "conf_rate.h"
#include "limit_compile.h"

/*
 * Where packets are met merged: what goes out is cut behind us (TSO), and TC and generic XDP sit
 * behind GRO. One that weighs more than the burst passes never, however slow its sender is.
 */
static const char *merged_where(const struct conf *conf, const struct conf_limit *limit)
{
	if (limit->direction == CONF_EGRESS)
		return "this host's connections hand over";
	for (size_t i = 0; i < conf->dataplane.n_devices; i++) {
		const struct conf_device *d = &conf->dataplane.devices[i];

		if (d->hook == CONF_HOOK_TC)
			return "a device of hook tc hands over";
		if (d->mode == CONF_XDP_GENERIC)
			return "a device of mode generic hands over";
	}
	return NULL;
}

static void warn_burst(const struct conf_limit *limit, const struct conf_rate *bytes,
		       const char *setting, const char *where, struct conf_errors *warnings)
{
	if (!bytes->count || bytes->burst >= CONF_RATE_MERGED_BYTES)
		return;
	conf_errors_add(warnings, limit->place.line, limit->place.column,
			"limits[%s]: %s: %llu is less than the packets of up to 64 KiB that %s: "
			"those never pass, and connections go on at the pace of their "
			"retransmissions; give at least 256KiB",
			limit->name ? limit->name : "?", setting, (unsigned long long)bytes->burst,
			where);
}

static void warn_limits(const struct conf *conf, struct conf_errors *warnings)
{
	for (size_t i = 0; i < conf->n_limits; i++) {
		const struct conf_limit *limit = &conf->limits[i];
		const char *where = merged_where(conf, limit);

		if (limit_compile_selector(conf, limit) == LIMIT_TO_NOTHING)
			conf_errors_add(warnings, limit->place.line, limit->place.column,
					"limits[%s]: no packet meets it; for everybody write "
					"sources: [0.0.0.0/0, \"::/0\"]",
					limit->name ? limit->name : "?");
		if (!where)
			continue;
		warn_burst(limit, &limit->unit[LIMIT_BYTES], "bytes.burst", where, warnings);
		warn_burst(limit, &limit->total[LIMIT_BYTES], "total.bytes.burst", where, warnings);
	}
}

static void warn_plans(const struct conf *conf, struct conf_errors *warnings)
{
	for (size_t i = 0; i < conf->n_plans; i++) {
		const struct conf_plan *plan = &conf->plans[i];

		if (!plan->n_limits)
			conf_errors_add(warnings, plan->place.line, plan->place.column,
					"plans[%s]: has no limits: its consumers may do what they "
					"want",
					plan->name ? plan->name : "?");
	}
}

void conf_warn(const struct conf *conf, struct conf_errors *warnings)
{
	memset(warnings, 0, sizeof(*warnings));
	warn_limits(conf, warnings);
	warn_plans(conf, warnings);
}
