/* SPDX-License-Identifier: BSD-2-Clause */
/* status: what is attached where and how, how full the maps are, who runs, what to worry about. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "conf/conf_warn.h"
#include "dataplane/guard_map.h"
#include "dataplane/vip_map.h"
#include "gateway/overload.h"
#include "request.h"
#include "status.h"
#include "status_drain.h"
#include "steer.h"

#define STATUS_MAPS_MAX	    80
#define STATUS_WARNINGS_MAX 128
#define STATUS_UNUSED_MAX   16 /* backends of one vip that are named */

bool status_kernel(struct supervisor *s, char *ret, size_t ret_bytes)
{
	const char *why = "";
	struct dataplane *dp = supervisor_dataplane(s, &why);
	const struct dataplane_device *devices;
	size_t n = dp ? dataplane_devices(dp, &devices) : 0, attached = 0;

	for (size_t i = 0; i < n; i++)
		attached += devices[i].attached;
	if (!dp)
		snprintf(ret, ret_bytes, "%s", why && *why ? why : "not configured");
	else if (attached < n)
		snprintf(ret, ret_bytes, "attached to %zu of %zu devices", attached, n);
	else
		snprintf(ret, ret_bytes, "attached");
	return dp ? attached == n : !why || !*why;
}

static const char *device_mode(const struct dataplane_device *d)
{
	if (!d->attached)
		return "not attached";
	if (d->hook == CONF_HOOK_TC)
		return "tc";
	return d->native ? "xdp native" : "xdp generic";
}

static json_t *status_devices(struct dataplane *dp)
{
	const struct dataplane_device *devices;
	size_t n = dataplane_devices(dp, &devices);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		const struct dataplane_device *d = &devices[i];
		const char *how = d->through_libxdp ? "libxdp" : "link";

		json_array_append_new(list, json_pack("{s:s,s:i,s:s,s:s,s:b,s:b,s:i,s:s}", "device",
						      d->name, "ifindex", (int)d->ifindex, "mode",
						      device_mode(d), "attach",
						      d->attached ? how : "none", "adopted",
						      d->adopted, "egress", d->egress, "program_id",
						      (int)d->prog_id, "error", d->error));
	}
	return list;
}

static json_t *status_maps(struct dataplane *dp)
{
	struct dataplane_map maps[STATUS_MAPS_MAX];
	size_t n = dataplane_maps(dp, maps, STATUS_MAPS_MAX);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(
			list,
			json_pack("{s:s,s:o,s:I,s:I}", "map", maps[i].name, "entries",
				  maps[i].counted ? json_integer(maps[i].entries) : json_null(),
				  "max_entries", (json_int_t)maps[i].max_entries, "memory_bytes",
				  (json_int_t)maps[i].memory_bytes));
	return list;
}

static void status_guard(struct dataplane *dp, json_t *list, const char *name, uint32_t id)
{
	static const char *const modes[] = { "off", "auto", "always" };
	struct guard_state s;

	if (guard_map_state(dp, id, &s) || s.mode == GUARD_OFF)
		return;
	json_array_append_new(list,
			      json_pack("{s:s,s:s,s:b,s:I,s:I,s:I,s:I}", "guard", name, "mode",
					modes[s.mode < 3 ? s.mode : 0], "on", s.on, "turns",
					(json_int_t)s.turns, "answered",
					(json_int_t)(s.counts.packets[GUARD_COUNT_COOKIE_MADE] +
						     s.counts.packets[GUARD_COUNT_CHALLENGE]),
					"proved",
					(json_int_t)(s.counts.packets[GUARD_COUNT_COOKIE_OK] +
						     s.counts.packets[GUARD_COUNT_CHALLENGE_OK]),
					"refused",
					(json_int_t)(s.counts.packets[GUARD_COUNT_COOKIE_BAD] +
						     s.counts.packets[GUARD_COUNT_REFUSED])));
}

/* Those that are not off. */
static json_t *status_guards(struct control_request *r, struct dataplane *dp)
{
	const struct conf *conf = supervisor_conf(r->s);
	json_t *list = json_array();

	if (!dp)
		return list;
	status_guard(dp, list, "listeners", GUARD_OWN);
	for (size_t i = 0; i < conf->n_vips; i++) {
		uint32_t id = vip_map_id(dp, conf->vips[i].name);

		if (id)
			status_guard(dp, list, conf->vips[i].name, id);
	}
	return list;
}

static json_t *status_workers(const struct supervisor *s)
{
	struct supervisor_worker workers[SUPERVISOR_WORKERS_MAX];
	size_t n = supervisor_workers(s, workers);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list,
				      json_pack("{s:i,s:i,s:I,s:i,s:i,s:s,s:b}", "slot",
						(int)workers[i].slot, "pid", (int)workers[i].pid,
						"revision", (json_int_t)workers[i].revision,
						"connections", (int)workers[i].connections,
						"restarts", (int)workers[i].restarts, "overload",
						overload_name(workers[i].overload), "leaving",
						workers[i].leaving));
	return list;
}

static void add_warning(json_t *list, const char *text)
{
	json_array_append_new(list, json_string(text));
}

/* Packets of these pass unchecked. */
static void status_device_warnings(struct dataplane *dp, json_t *warnings)
{
	const struct dataplane_device *devices;
	size_t n = dataplane_devices(dp, &devices);
	char text[400];

	for (size_t i = 0; i < n; i++) {
		if (devices[i].attached && !devices[i].error[0])
			continue;
		snprintf(text, sizeof(text),
			 devices[i].attached ? "what goes out of %s passes unchecked: %s"
					     : "%s is not attached, its packets pass unchecked: %s",
			 devices[i].name, devices[i].error);
		add_warning(warnings, text);
	}
}

/* The first that cannot be used are named. */
static void status_vip_unused(const struct conf_vip *vip, const struct vip_backend_state *rows,
			      size_t n, json_t *warnings)
{
	char text[320], address[ADDR_TEXT_MAX];
	size_t unused = 0;

	for (size_t i = 0; i < n; i++) {
		if (rows[i].ready || unused++ >= STATUS_UNUSED_MAX)
			continue;
		snprintf(text, sizeof(text), "vip %s: backend %s (%s) is not used: %s", vip->name,
			 rows[i].conf->name, addr_format(&rows[i].conf->address, address),
			 rows[i].state);
		add_warning(warnings, text);
	}
	if (unused > STATUS_UNUSED_MAX) {
		snprintf(text, sizeof(text),
			 "vip %s: %zu more backends are not used: see sluicectl backend list %s",
			 vip->name, unused - STATUS_UNUSED_MAX, vip->name);
		add_warning(warnings, text);
	}
}

/* Why it has nobody to send to, and what to do; NULL: it has. */
static const char *status_vip_idle(const struct vip_backend_state *rows, size_t n)
{
	size_t weighty = 0, ready = 0, usable = 0;

	for (size_t i = 0; i < n; i++) {
		const bool weighs = rows[i].conf->weight > 0 && !rows[i].conf->drain_by;

		weighty += weighs;
		ready += weighs && rows[i].ready;
		usable += weighs && rows[i].ready && rows[i].share > 0;
	}
	if (usable)
		return NULL;
	if (!n)
		return "none is configured; give it `backends`";
	if (!weighty)
		return "all have weight 0 or are drained; `sluicectl backend set` one, or undrain "
		       "it";
	if (!ready)
		return "none is reachable; see why of each";
	return "none passes its health checks; see `sluicectl vip show` for the errors";
}

/* Backends that are configured and cannot be sent to are the operator's business. */
static void status_vip_warnings(struct control_request *r, struct dataplane *dp, json_t *warnings)
{
	const struct conf *conf = supervisor_conf(r->s);
	char text[320];

	for (size_t i = 0; i < conf->n_vips; i++) {
		const struct conf_vip *vip = &conf->vips[i];
		CLEANUP_FREE struct vip_backend_state *rows =
			calloc(vip->n_backends + 1, sizeof(*rows));
		size_t n = rows ? vip_map_backends(dp, vip->name, rows, vip->n_backends) : 0;
		const char *idle;

		if (!rows)
			return;
		n = n < vip->n_backends ? n : vip->n_backends;
		status_vip_unused(vip, rows, n, warnings);
		idle = status_vip_idle(rows, n);
		if (!idle)
			continue;
		snprintf(text, sizeof(text),
			 "vip %s: no usable backend, its packets are dropped (reason no_backend): "
			 "%s",
			 vip->name, idle);
		add_warning(warnings, text);
	}
}

/* What the configuration says and seldom means. */
static void status_conf_warnings(struct control_request *r, json_t *warnings)
{
	CLEANUP_FREE struct conf_errors *found = calloc(1, sizeof(*found));

	if (!found)
		return;
	conf_warn(supervisor_conf(r->s), found);
	for (size_t i = 0; i < found->n; i++)
		add_warning(warnings, found->error[i].text);
}

static json_t *status_warnings(struct control_request *r, struct dataplane *dp)
{
	const char *texts[STATUS_WARNINGS_MAX];
	size_t n = supervisor_warnings(r->s, texts, STATUS_WARNINGS_MAX);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		add_warning(list, texts[i]);
	status_conf_warnings(r, list);
	if (dp)
		dataplane_diagnose(dp);
	n = dp ? dataplane_warnings(dp, texts, STATUS_WARNINGS_MAX) : 0;
	for (size_t i = 0; i < n; i++)
		add_warning(list, texts[i]);
	if (dp) {
		char guard[GUARD_WARNINGS_MAX][256];

		n = guard_map_warnings(dp, guard, GUARD_WARNINGS_MAX);
		for (size_t i = 0; i < n; i++)
			add_warning(list, guard[i]);
		status_device_warnings(dp, list);
		status_vip_warnings(r, dp, list);
	}
	steer_warnings(r->s, dp, list);
	return list;
}

/* The key of the limits' rows. */
static json_t *status_limit_key(struct control_request *r)
{
	struct supervisor_limit_key key;

	if (supervisor_limit_key(r->s, &key))
		return json_null();
	return json_pack("{s:b,s:o,s:I}", "rotating", key.rotating, "since",
			 key.since_ns ? supervisor_time(key.since_ns) : json_null(), "lifetime_s",
			 (json_int_t)(key.lifetime_ms / 1000));
}

int control_status(struct control_request *r)
{
	const char *not_ready = "";
	struct dataplane *dp = supervisor_dataplane(r->s, NULL);
	char kernel[600], guard[200] = "";
	size_t drains_more = 0;
	json_t *drains = status_drain_list(supervisor_conf(r->s), dp, &drains_more);
	bool ready = supervisor_ready(r->s, &not_ready);

	status_kernel(r->s, kernel, sizeof(kernel));
	if (dp)
		guard_map_describe(dp, guard, sizeof(guard));
	r->data = json_pack(
		"{s:s,s:i,s:I,s:I,s:b,s:s,s:s,s:o,s:s,s:b,s:o,s:o,s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:I}",
		"version", SLUICE_VERSION, "supervisor", (int)getpid(), "revision",
		(json_int_t)supervisor_revision(r->s), "uptime_s",
		(json_int_t)((clock_now_ns() - supervisor_started_ns(r->s)) / NS_PER_S), "ready",
		ready, "not_ready", ready || !not_ready ? "" : not_ready, "config",
		supervisor_config_path(r->s), "workers", status_workers(r->s), "dataplane", kernel,
		"adopted", dp && dataplane_adopted(dp), "devices",
		dp ? status_devices(dp) : json_array(), "maps", dp ? status_maps(dp) : json_array(),
		"guard", guard, "guards", status_guards(r, dp), "limit_key", status_limit_key(r),
		"steer", steer_listeners(r->s, dp), "steer_routes", steer_routes(dp), "warnings",
		status_warnings(r, dp), "drains", drains, "drains_more", (json_int_t)drains_more);
	return r->data ? 0 : -ENOMEM;
}
