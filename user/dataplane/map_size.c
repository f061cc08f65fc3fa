/* SPDX-License-Identifier: BSD-2-Clause */
#include "map_size.h"

#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <string.h>

#include "sluice/abi/limit_concurrent.h"
#include "sluice/abi/quic.h"

/* What the kernel adds to an entry of a hash or a trie, about (dataplane.md s6). */
#define ENTRY_OVERHEAD_BYTES 64

static const struct {
	const char *map;
	const char *setting;
	size_t at; /* of the number, in struct conf_dataplane */
} sizes[] = {
#define SIZE(map, field)                                                         \
	{                                                                        \
		map, "dataplane." #field, offsetof(struct conf_dataplane, field) \
	}
	SIZE("clients", max_clients),
	SIZE("limit_rows", limit_rows),
	SIZE("response_credit", max_responses),
	SIZE("source_split", max_acl),
	SIZE("source_long", max_acl),
	SIZE("source_v6", max_acl),
	SIZE("verdict_source", max_verdicts),
	SIZE("verdict_flow", max_verdicts),
	SIZE("vips", max_vips),
	SIZE("stats_vip", max_vips),
	SIZE("vip_window", max_vips),
	SIZE("stats_flow", max_vips),
	SIZE("vip_flow", max_flows),
	SIZE("guards", max_vips),
	SIZE("stats_guard", max_vips),
	SIZE("backends", max_backends),
	SIZE("stats_backend", max_backends),
	SIZE("path_mtu", max_backends),
	SIZE("quic", max_vips),
	SIZE("stats_quic", max_vips),
	SIZE("stats_nat", max_backends),
	SIZE("nat_vip", max_vips),
	SIZE("nat_flow", max_nat_flows),
	SIZE("meters", max_meters),
	SIZE("meter_slots", max_meters),
#undef SIZE
};

/* Two rings for each vip. */
static uint32_t ring_slots(const struct conf_dataplane *conf)
{
	uint64_t slots = 2ULL * conf->max_vips * conf->ring_size;

	return slots < UINT32_MAX ? (uint32_t)slots : UINT32_MAX;
}

/*
 * The most listeners, the internal one included: places inside of vips are records as well, and
 * during a change both those of before and those of after.
 */
#define LISTENERS_MAX 1025

/* A server id for each backend, by each of its vip's kinds of connection ids. */
static uint32_t quic_servers(const struct conf_dataplane *conf)
{
	return CONF_QUIC_MAX * conf->max_backends;
}

/* A place for each kind of connection ids that a vip may have. */
static uint32_t quic_keys(const struct conf_dataplane *conf)
{
	return conf->max_vips * QUIC_CONFIGS;
}

/* Words are configured, sets of them are made. */
static uint32_t concurrent_sets(const struct conf_dataplane *conf)
{
	return conf->max_concurrent / LIMIT_CONCURRENT_WAYS;
}

uint32_t map_size_configured(const struct conf_dataplane *conf, const char *map)
{
	uint32_t n;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (strcmp(sizes[i].map, map) != 0)
			continue;
		memcpy(&n, (const char *)conf + sizes[i].at, sizeof(n));
		return n;
	}
	if (strcmp(map, "limit_concurrent") == 0)
		return concurrent_sets(conf);
	if (strcmp(map, "vip_wide") == 0)
		return conf->max_vips + 2 * LISTENERS_MAX;
	if (strcmp(map, "quic_servers") == 0)
		return quic_servers(conf);
	if (strcmp(map, "quic_keys") == 0)
		return quic_keys(conf);
	if (strcmp(map, "nat_tuple") == 0)
		return 2 * conf->max_nat_flows; /* what its client shows, and what answers do */
	return strcmp(map, "vip_ring") == 0 ? ring_slots(conf) : 0;
}

const char *map_size_setting(const char *map)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (strcmp(sizes[i].map, map) == 0)
			return sizes[i].setting;
	}
	if (strcmp(map, "limit_concurrent") == 0)
		return "dataplane.max_concurrent";
	if (strcmp(map, "vip_wide") == 0)
		return "dataplane.max_vips";
	if (strcmp(map, "quic_servers") == 0)
		return "dataplane.max_backends";
	if (strcmp(map, "quic_keys") == 0)
		return "dataplane.max_vips";
	if (strcmp(map, "nat_tuple") == 0)
		return "dataplane.max_nat_flows";
	return strcmp(map, "vip_ring") == 0 ? "dataplane.max_vips or ring_size" : NULL;
}

uint64_t map_size_bytes(const struct map_shape *s)
{
	uint64_t value = pinned_map_stride(s->value_bytes);

	if (s->type == BPF_MAP_TYPE_RINGBUF)
		return s->max_entries;
	if (pinned_map_is_percpu(s))
		value *= (uint64_t)libbpf_num_possible_cpus();
	if (s->type != BPF_MAP_TYPE_ARRAY && s->type != BPF_MAP_TYPE_PERCPU_ARRAY)
		value += s->key_bytes + ENTRY_OVERHEAD_BYTES;
	return value * s->max_entries;
}
