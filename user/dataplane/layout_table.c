/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For whom changes a struct under include/sluice/abi:
 * - a member more, less, or elsewhere: nothing to do, if zero in it means what was before there was one;
 * - another name, another meaning, a new value of an enum that is not at its end, a zero that is wrong:
 *   VERSION of each map that has the struct, one more than before;
 * - a map that has indices of another one, or is only right together with it: a row in one of both
 *   tables of what goes together;
 * - what is in maps within a map (struct vip_before): VERSION, no type tells of it;
 * - a key: nothing to do; the map and what refers to it begin anew.
 */
#include "layout_table.h"

#include <stddef.h>
#include <string.h>

#include "dataplane_state.h"

static const struct {
	const char *map;
	uint32_t version;
} versions[] = {
	/* none has changed its meaning since there is a list of them: all are 1 */
	{ "layout", 1 },
};

/*
 * Maps that are one table. Those that make it (core) are of no use without each other; those that only
 * refer to it are forgotten with it, and may be forgotten alone. A map may be in several.
 */
enum table {
	TABLE_LIMITS,
	TABLE_CONCURRENT,
	TABLE_VERDICTS,
	TABLE_VIPS,
	TABLE_QUIC,
	TABLE_NAT,
	TABLE_METERS,
	TABLE_EVENTS,
	TABLE_TOP,
	TABLE_CAPTURE,
	TABLE_RESPONSES,
	TABLE_STEER,
	TABLE_DROP_CACHE
};

static const struct {
	const char *map;
	enum table table;
	bool is_core;
} tables[] = {
	/* the lists have numbers of groups of limits, groups have numbers of classes and services */
	{ "source_v4", TABLE_LIMITS, true },
	{ "source_split", TABLE_LIMITS, true },
	{ "source_long", TABLE_LIMITS, true },
	{ "source_v6", TABLE_LIMITS, true },
	{ "source_v6_lines", TABLE_LIMITS, true },
	{ "limit_set", TABLE_LIMITS, true },
	{ "limit_port", TABLE_LIMITS, true },
	{ "limit_class", TABLE_LIMITS, true },
	{ "limit_state", TABLE_LIMITS, true },
	{ "limit_rows", TABLE_LIMITS, false },
	{ "limit_total", TABLE_LIMITS, false },
	{ "stats_limit", TABLE_LIMITS, false },
	{ "clients", TABLE_LIMITS, false },
	{ "limit_concurrent", TABLE_LIMITS, false },
	/* the state has the generation that connections remember */
	{ "limit_concurrent", TABLE_CONCURRENT, true },
	{ "limit_concurrent_sk", TABLE_CONCURRENT, true },
	/* without its bit in the filter nobody asks for a verdict */
	{ "verdict_filter", TABLE_VERDICTS, true },
	{ "verdict_source", TABLE_VERDICTS, true },
	{ "verdict_flow", TABLE_VERDICTS, true },
	/* ids of vips and of backends */
	{ "vips", TABLE_VIPS, true },
	{ "vip_wide", TABLE_VIPS, true },
	{ "vip_ring", TABLE_VIPS, true },
	{ "backends", TABLE_VIPS, true },
	{ "vip_flow", TABLE_VIPS, false },
	{ "vip_window", TABLE_VIPS, false },
	{ "vip_before", TABLE_VIPS, false },
	{ "guards", TABLE_VIPS, false },
	{ "quic", TABLE_VIPS, false },
	{ "nat_flow", TABLE_VIPS, false },
	{ "nat_vip", TABLE_VIPS, false },
	{ "stats_vip", TABLE_VIPS, false },
	{ "stats_flow", TABLE_VIPS, false },
	{ "stats_backend", TABLE_VIPS, false },
	{ "stats_guard", TABLE_VIPS, false },
	{ "stats_quic", TABLE_VIPS, false },
	{ "stats_nat", TABLE_VIPS, false },
	{ "quic", TABLE_QUIC, true },
	{ "quic_servers", TABLE_QUIC, true },
	{ "quic_keys", TABLE_QUIC, true },
	/* the state counts those of the flows that are young */
	{ "nat_flow", TABLE_NAT, true },
	{ "nat_tuple", TABLE_NAT, true },
	{ "nat_state", TABLE_NAT, true },
	{ "meter_slots", TABLE_METERS, true },
	{ "meters", TABLE_METERS, true },
	{ "event_meter", TABLE_EVENTS, true },
	{ "event_pending", TABLE_EVENTS, true },
	{ "top", TABLE_TOP, true },
	{ "top_sets", TABLE_TOP, true },
	{ "capture", TABLE_CAPTURE, true },
	{ "capture_ring", TABLE_CAPTURE, true },
	/* credit is found by the keys that the state has */
	{ "response_state", TABLE_RESPONSES, true },
	{ "response_service", TABLE_RESPONSES, true },
	{ "response_credit", TABLE_RESPONSES, false },
	{ "steer_prefixes", TABLE_STEER, true },
	{ "steer_listeners", TABLE_STEER, true },
	{ "steer_sockets", TABLE_STEER, true },
	{ "stats_steer", TABLE_STEER, false },
	{ "drop_cache", TABLE_DROP_CACHE, true },
	{ "drop_cache_state", TABLE_DROP_CACHE, true },
};
#define TABLE_ROWS (sizeof(tables) / sizeof(tables[0]))

static const struct {
	const char *map, *loss;
} losses[] = {
	{ "clients", "which sources are proven, and what these have left" },
	{ "limit_rows", "what sources that nobody has proven have left" },
	{ "limit_total", "what is left of totals" },
	{ "limit_concurrent", "how many connections sources have" },
	{ "verdict_source", "verdicts" },
	{ "verdict_flow", "verdicts about flows" },
	{ "vips", "which backend flows are with, where more than one has a slot" },
	{ "vip_flow", "flows that are kept with their backend" },
	{ "nat_flow", "translated flows" },
	{ "path_mtu", "what routers said of sizes" },
	{ "guards", "when guards go off" },
	{ "meters", "what consumers have left" },
	{ "presence", "who was served of late" },
	{ "top", "the lists of top" },
	{ "response_credit", "what clients may be answered" },
	{ "steer_sockets", "which sockets connections are steered to, until they are put in" },
};

uint32_t layout_table_version(const char *map)
{
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		if (strcmp(versions[i].map, map) == 0)
			return versions[i].version;
	}
	return 1;
}

bool layout_table_can_carry(const char *map)
{
	/* ciphers that nobody can read; what a moment later is there again; places that move */
	static const char *const cannot[] = { "quic_keys", "drop_cache", "response_credit",
					      "limit_concurrent" };

	for (size_t i = 0; i < sizeof(cannot) / sizeof(cannot[0]); i++) {
		if (strcmp(cannot[i], map) == 0)
			return false;
	}
	return true;
}

const char *layout_table_loss(const char *map)
{
	for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
		if (strcmp(losses[i].map, map) == 0)
			return losses[i].loss;
	}
	return "";
}

bool layout_table_is_retired(const char *map)
{
	static const char *const retired[] = { "acl_allow", "acl_deny", "epochs", "limit_prefix",
					       "source_v6_lengths" };

	for (size_t i = 0; i < sizeof(retired) / sizeof(retired[0]); i++) {
		if (strcmp(retired[i], map) == 0)
			return true;
	}
	return false;
}

/* It was pinned, and now is not used. */
static bool forget(struct pinned_map *m)
{
	if (!m || m->fate == MAP_FORGOTTEN || m->fate == MAP_NEW)
		return false;
	if (m->fd >= 0) {
		m->old_fd = m->fd;
		m->fd = -1;
	}
	m->fate = MAP_FORGOTTEN;
	return true;
}

static bool spread_from(struct dataplane *dp, size_t row)
{
	const struct pinned_map *core = pinned_map_find(dp, tables[row].map);
	bool changed = false;

	if (!core || core->fate != MAP_FORGOTTEN || !tables[row].is_core)
		return false;
	for (size_t i = 0; i < TABLE_ROWS; i++) {
		if (tables[i].table == tables[row].table)
			changed = forget(pinned_map_find(dp, tables[i].map)) || changed;
	}
	return changed;
}

void layout_table_spread(struct dataplane *dp)
{
	bool changed = true;

	while (changed) {
		changed = false;
		for (size_t i = 0; i < TABLE_ROWS; i++)
			changed = spread_from(dp, i) || changed;
	}
}
