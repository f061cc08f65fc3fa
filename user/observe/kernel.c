/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel half's counters: by action, drop reason, vip, backend, limit, and map occupancy. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "dataplane/event_map.h"
#include "dataplane/limit_concurrent.h"
#include "dataplane/limit_map.h"
#include "dataplane/response_map.h"
#include "dataplane/stats_map.h"
#include "dataplane/vip_map.h"
#include "prometheus.h"
#include "text.h"

#define MAPS_MAX 80

#define DROP_LABEL(id, label, doc) label,
static const char *const drop_labels[] = { DROP_REASONS(DROP_LABEL) };
static const char *const action_labels[STATS_ACTIONS] = { "pass",	 "drop",	"forward",
							  "egress_pass", "egress_drop", "reply" };
static const char *const unit_labels[LIMIT_REFUSALS] = { "packets", "bytes", "connections",
							 "concurrent" };

static void write_actions(struct dataplane *dp, struct text *t)
{
	struct stats_count counts[STATS_ACTIONS];

	if (stats_map_actions(dp, counts))
		return;
	text_family(t, "sluice_kernel_packets_total", "counter",
		    "Packets, by what became of them.");
	for (int i = 0; i < STATS_ACTIONS; i++)
		text_sample(t, "sluice_kernel_packets_total", counts[i].packets, "action",
			    action_labels[i], NULL);
	text_family(t, "sluice_kernel_bytes_total", "counter", "Bytes, by what became of them.");
	for (int i = 0; i < STATS_ACTIONS; i++)
		text_sample(t, "sluice_kernel_bytes_total", counts[i].bytes, "action",
			    action_labels[i], NULL);
}

static void write_drops(struct dataplane *dp, struct text *t)
{
	struct stats_count drops[DROP_REASON_COUNT];

	if (stats_map_drops(dp, drops))
		return;
	text_family(t, "sluice_kernel_dropped_packets_total", "counter",
		    "Packets dropped, by reason.");
	for (int i = 1; i < DROP_REASON_COUNT; i++)
		text_sample(t, "sluice_kernel_dropped_packets_total", drops[i].packets, "reason",
			    drop_labels[i], NULL);
	text_family(t, "sluice_kernel_dropped_bytes_total", "counter", "Bytes dropped, by reason.");
	for (int i = 1; i < DROP_REASON_COUNT; i++)
		text_sample(t, "sluice_kernel_dropped_bytes_total", drops[i].bytes, "reason",
			    drop_labels[i], NULL);
}

enum vip_column { VIP_FORWARDED, VIP_FORWARDED_BYTES, VIP_DROPPED, VIP_CONNECTIONS, VIP_COLUMNS };

static void write_vips(const struct prometheus_source *src, struct text *t)
{
	static const char *const names[VIP_COLUMNS] = {
		[VIP_FORWARDED] = "sluice_kernel_vip_forwarded_packets_total",
		[VIP_FORWARDED_BYTES] = "sluice_kernel_vip_forwarded_bytes_total",
		[VIP_DROPPED] = "sluice_kernel_vip_dropped_packets_total",
		[VIP_CONNECTIONS] = "sluice_kernel_vip_connections_total",
	};

	for (int c = 0; c < VIP_COLUMNS; c++) {
		text_family(t, names[c], "counter", "Of the vip; connections are TCP SYNs.");
		for (size_t i = 0; i < src->conf->n_vips; i++) {
			const char *vip = src->conf->vips[i].name;
			struct stats_vip s = { 0 };
			uint64_t value;

			if (vip_map_stats(src->dataplane, vip_map_id(src->dataplane, vip), &s))
				continue;
			value = c == VIP_FORWARDED	   ? s.forwarded.packets
				: c == VIP_FORWARDED_BYTES ? s.forwarded.bytes
				: c == VIP_DROPPED	   ? s.dropped.packets
							   : s.connections;
			text_sample(t, names[c], value, "vip", vip, NULL);
		}
	}
}

static void write_limits(const struct prometheus_source *src, struct text *t, bool would)
{
	const char *name = would ? "sluice_kernel_limit_would_drop_packets_total"
				 : "sluice_kernel_limit_dropped_packets_total";

	text_family(t, name, "counter",
		    would ? "Packets that dry_run would drop, by limit and unit."
			  : "Packets dropped, by limit and unit.");
	for (size_t i = 0; i < src->conf->n_limits; i++) {
		const char *limit = src->conf->limits[i].name;
		struct stats_limit s = { 0 };

		if (limit_map_stats(src->dataplane, limit_map_class(src->dataplane, limit), &s))
			continue;
		for (int u = 0; u < LIMIT_REFUSALS; u++)
			text_sample(t, name, would ? s.would_drop[u].packets : s.dropped[u].packets,
				    "limit", limit, "unit", unit_labels[u], NULL);
	}
}

static void write_limit_admitted(const struct prometheus_source *src, struct text *t)
{
	text_family(t, "sluice_kernel_limit_admitted_packets_total", "counter",
		    "Packets admitted, by limit.");
	for (size_t i = 0; i < src->conf->n_limits; i++) {
		const char *limit = src->conf->limits[i].name;
		struct stats_limit s = { 0 };

		if (limit_map_stats(src->dataplane, limit_map_class(src->dataplane, limit), &s))
			continue;
		text_sample(t, "sluice_kernel_limit_admitted_packets_total", s.admitted.packets,
			    "limit", limit, NULL);
	}
}

static void write_limit_concurrent(const struct prometheus_source *src, struct text *t)
{
	struct limit_concurrent_sum sums[LIMIT_CLASSES];

	if (limit_concurrent_sums(src->dataplane, sums))
		return;
	text_family(t, "sluice_kernel_limit_concurrent_connections", "gauge",
		    "Connections that limits with concurrent count now, by limit.");
	for (size_t i = 0; i < src->conf->n_limits; i++) {
		const struct conf_limit *limit = &src->conf->limits[i];

		if (limit->concurrent)
			text_sample(t, "sluice_kernel_limit_concurrent_connections",
				    sums[limit_map_class(src->dataplane, limit->name)].connections,
				    "limit", limit->name, NULL);
	}
	text_family(t, "sluice_kernel_limit_uncounted_connections_total", "counter",
		    "Connections that were not counted for want of room.");
	text_sample(t, "sluice_kernel_limit_uncounted_connections_total",
		    limit_concurrent_uncounted(src->dataplane), NULL);
}

static void write_limit_marked(const struct prometheus_source *src, struct text *t)
{
	text_family(t, "sluice_kernel_limit_marked_packets_total", "counter",
		    "Packets sent with congestion experienced, by limit.");
	for (size_t i = 0; i < src->conf->n_limits; i++) {
		const struct conf_limit *limit = &src->conf->limits[i];
		struct stats_limit s = { 0 };

		if (limit->direction != CONF_EGRESS ||
		    limit_map_stats(src->dataplane, limit_map_class(src->dataplane, limit->name),
				    &s))
			continue;
		text_sample(t, "sluice_kernel_limit_marked_packets_total", s.marked.packets,
			    "limit", limit->name, NULL);
	}
}

static void write_responses(const struct prometheus_source *src, struct text *t)
{
	struct stats_response s;

	if (!src->conf->n_responses || response_map_stats(src->dataplane, &s))
		return;
	const struct {
		const char *name;
		const char *help;
		uint64_t value;
	} rows[] = {
		{ "sluice_kernel_response_asked_bytes_total",
		  "Bytes that came in to services of responses.", s.asked_bytes },
		{ "sluice_kernel_response_answered_bytes_total", "Bytes that they sent.",
		  s.answered_bytes },
		{ "sluice_kernel_response_forgotten_clients_total",
		  "Clients whose credit made room for others.", s.forgotten },
		{ "sluice_kernel_response_would_drop_packets_total",
		  "Packets that dry_run would drop.", s.would_drop_packets },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		text_family(t, rows[i].name, "counter", rows[i].help);
		text_sample(t, rows[i].name, rows[i].value, NULL);
	}
}

static void write_maps(const struct prometheus_source *src, struct text *t)
{
	struct dataplane_map maps[MAPS_MAX];
	size_t n = dataplane_maps(src->dataplane, maps, MAPS_MAX);

	text_family(t, "sluice_kernel_map_entries", "gauge", "Entries in use, by map.");
	for (size_t i = 0; i < n; i++)
		if (maps[i].counted)
			text_sample(t, "sluice_kernel_map_entries", maps[i].entries, "map",
				    maps[i].name, NULL);
	text_family(t, "sluice_kernel_map_max_entries", "gauge", "Entries at most, by map.");
	for (size_t i = 0; i < n; i++)
		text_sample(t, "sluice_kernel_map_max_entries", maps[i].max_entries, "map",
			    maps[i].name, NULL);
}

static void write_devices(const struct prometheus_source *src, struct text *t)
{
	const struct dataplane_device *devices;
	size_t n = dataplane_devices(src->dataplane, &devices);

	text_family(t, "sluice_kernel_device_attached", "gauge", "1 when the programs run there.");
	for (size_t i = 0; i < n; i++)
		text_sample(t, "sluice_kernel_device_attached", devices[i].attached, "device",
			    devices[i].name, "mode",
			    devices[i].hook == CONF_HOOK_TC ? "tc"
			    : devices[i].native		    ? "native"
							    : "generic",
			    NULL);
}

void kernel_write(const struct prometheus_source *src, struct text *t)
{
	uint64_t suppressed = 0;

	write_devices(src, t);
	write_actions(src->dataplane, t);
	write_drops(src->dataplane, t);
	write_vips(src, t);
	vip_flow_write(src, t);
	write_limit_admitted(src, t);
	write_limits(src, t, false);
	write_limits(src, t, true);
	write_limit_concurrent(src, t);
	write_limit_marked(src, t);
	write_responses(src, t);
	quic_write(src, t);
	guard_write(src, t);
	nat_write(src, t);
	steer_write(src, t);
	write_maps(src, t);
	if (event_map_suppressed(src->dataplane, &suppressed))
		return;
	text_family(t, "sluice_kernel_events_suppressed_total", "counter",
		    "Drop events over events_per_s or without room.");
	text_sample(t, "sluice_kernel_events_suppressed_total", suppressed, NULL);
}
