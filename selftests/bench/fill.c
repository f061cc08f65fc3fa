/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "dataplane/source_table.h"
#include "fill.h"
#include "sluice/abi/client.h"
#include "sluice/abi/drop_cache.h"
#include "sluice/abi/guard.h"
#include "sluice/abi/limit_concurrent.h"
#include "sluice/abi/verdict.h"
#include "sluice/abi/vip.h"
#include "sluice/abi/vip_flow.h"
#include "vary.h"
#include "sluice/algo/gcra_rate.h"

#define SECOND	1000000000ULL
#define BATCH	16384
#define FOREVER (1ULL << 62)

void fill_die(const char *what)
{
	fprintf(stderr, "bench_dataplane: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int map_of(struct bpf_object *obj, const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(obj, name);

	if (fd < 0)
		fill_die(name);
	return fd;
}

static void set(struct bpf_object *obj, const char *map, const void *key, const void *value)
{
	if (bpf_map_update_elem(map_of(obj, map), key, value, BPF_ANY))
		fill_die(map);
}

static struct addr v4(uint32_t host)
{
	struct addr a = { 0 };

	a.w[2] = __builtin_bswap32(0xffff);
	a.w[3] = __builtin_bswap32(host);
	return a;
}

static struct source_table *open_table(struct bpf_object *obj)
{
	struct source_maps maps = {
		.v4_fd = map_of(obj, "source_v4"),
		.split_fd = map_of(obj, "source_split"),
		.long_fd = map_of(obj, "source_long"),
		.v6_fd = map_of(obj, "source_v6"),
		.v6_lines_fd = map_of(obj, "source_v6_lines"),
	};
	struct source_table *t;

	errno = -source_table_open(&maps, &t);
	if (errno)
		fill_die("source tables");
	return t;
}

static void set_group(struct source_table *t)
{
	struct source_group_prefix all[] = { { { ADDR_V4_BITS, v4(0) }, FILL_GROUP },
					     { { 0 }, FILL_GROUP } };

	if (source_table_set_groups(t, all, 2))
		fill_die("groups");
}

static void apply(struct source_table *t)
{
	struct errmsg err = { 0 };

	if (source_table_apply(t, &err)) {
		fprintf(stderr, "bench_dataplane: %s\n", err.text);
		exit(1);
	}
	source_table_close(t);
}

/* 0: one packet a day, so that all but the first are refused. */
static void set_rate(const struct fill_limits *l, uint32_t factor, struct gcra_rate *ret)
{
	if (gcra_rate_set(ret, l->per_s ? l->per_s * factor : 1, l->per_s ? SECOND : 86400 * SECOND,
			  l->burst * factor))
		fill_die("rate");
}

static void set_class(struct bpf_object *obj, const struct fill_limits *l, uint32_t nth)
{
	struct limit_class class = { .row_first = nth * 2 << l->row_bits, .row_bits = l->row_bits };
	struct limit_rates *rates = &class.rates[0];
	uint32_t id = FILL_CLASS + nth, unit;

	set_rate(l, 1, &rates->unit[LIMIT_PACKETS]);
	rates->concurrent = l->concurrent;
	for (unit = 0; l->totals && unit < LIMIT_UNITS; unit++) {
		uint32_t factor = unit == LIMIT_BYTES ? 1500 : 1;

		set_rate(l, factor, &rates->unit[unit]);
		set_rate(l, factor, &rates->total[unit]);
		rates->flags = LIMIT_HAS_TOTAL;
	}
	set(obj, "limit_class", &id, &class);
}

/* What goes out: all of it is one service. */
static void set_ports(struct bpf_object *obj)
{
	static _Thread_local struct limit_ports ports;
	uint32_t table;

	memset(&ports, FILL_SERVICE, sizeof(ports));
	for (table = LIMIT_PORT_EGRESS_UDP; table < LIMIT_PORT_TABLES; table++)
		set(obj, "limit_port", &table, &ports);
}

void fill_limits(struct bpf_object *obj, const struct fill_limits *l)
{
	struct source_table *t = open_table(obj);
	struct limit_state state = { .has_egress = 1, .has_concurrent = l->concurrent != 0 };
	uint32_t group = FILL_GROUP, zero = 0, i;
	static _Thread_local struct limit_set sets;

	memset(&sets, 0, sizeof(sets));
	for (i = 0; i < l->classes; i++) {
		set_class(obj, l, i);
		sets.service[0].limit_class[i] = (uint8_t)(FILL_CLASS + i);
		sets.service[FILL_SERVICE].limit_class[i] = (uint8_t)(FILL_CLASS + i);
	}
	set(obj, "limit_set", &group, &sets);
	for (i = 0; i < LIMIT_ROW_KEY_WORDS * 2; i++)
		state.key[0].row[i / LIMIT_ROW_KEY_WORDS][i % LIMIT_ROW_KEY_WORDS] =
			0x9e3779b97f4a7c15ULL * (i + 1);
	state.concurrent_key = state.key[0];
	set(obj, "limit_state", &zero, &state);
	set_ports(obj);
	set_group(t);
	source_table_set(t, SOURCE_LIST_ALLOW, NULL, 0);
	source_table_set(t, SOURCE_LIST_DENY, NULL, 0);
	apply(t);
}

void fill_proven_one(struct bpf_object *obj, const uint8_t source[4], uint32_t classes)
{
	struct client c = { 0 };
	uint32_t i;

	for (i = 0; i < classes; i++) {
		struct client_key key = { v4(0), FILL_CLASS + i };

		memcpy(&key.source.b[12], source, 4);
		set(obj, "clients", &key, &c);
	}
}

void fill_proven_v6(struct bpf_object *obj, const uint8_t unit[8])
{
	struct client_key key = { .limit_class = FILL_CLASS };
	struct client c = { 0 };

	memcpy(key.source.b, unit, 8);
	set(obj, "clients", &key, &c);
}

void fill_connections(struct bpf_object *obj, const uint8_t source[4], uint32_t n)
{
	uint32_t sets = bpf_map__max_entries(bpf_object__find_map_by_name(obj, "limit_concurrent"));
	struct limit_concurrent_set row = { 0 };
	uint32_t zero = 0, at;
	struct limit_state state;
	struct addr a = v4(0);

	memcpy(&a.b[12], source, 4);
	if (bpf_map_lookup_elem(map_of(obj, "limit_state"), &zero, &state))
		fill_die("limit_state");
	at = limit_concurrent_hash(&state.concurrent_key, sets, a.w[2], a.w[3], FILL_CLASS,
				   &row.word[0]);
	row.word[0] += n;
	set(obj, "limit_concurrent", &at, &row);
}

void fill_proven(struct bpf_object *obj, uint32_t n)
{
	struct client_key *keys = calloc(BATCH, sizeof(*keys));
	struct client *values = calloc(BATCH, sizeof(*values));
	uint32_t i, done, count;

	if (!keys || !values)
		fill_die("memory");
	for (done = 0; done < n; done += count) {
		count = n - done < BATCH ? n - done : BATCH;
		for (i = 0; i < count; i++)
			keys[i] = (struct client_key) { v4(vary_source(done + i)), FILL_CLASS };
		if (bpf_map_update_batch(map_of(obj, "clients"), keys, values, &count, NULL))
			fill_die("clients");
	}
	free(keys);
	free(values);
}

/* Six lengths, a third of them the longest, spread over all addresses. */
static struct prefix deny_prefix_v6(uint32_t i)
{
	static const uint32_t lengths[] = { 64, 64, 48, 40, 44, 56, 60 };
	struct prefix p = { lengths[i % 7], { .w = { 0 } } };

	p.addr.w[0] = vary_source(i ^ 0x80000000U) ^ 0x5bd1e995U;
	p.addr.w[1] = vary_source(i + 1);
	return p;
}

static struct prefix deny_prefix(uint32_t i)
{
	static const uint32_t lengths[] = { 32, 32, 24, 20, 22, 28, 30 };
	uint32_t len = lengths[i % 7];
	uint32_t host = vary_source(i ^ 0x80000000U) ^ 0x5bd1e995U;

	return (struct prefix) { ADDR_V4_BITS + len, v4(host & ~0U << (32 - len)) };
}

void fill_deny(struct bpf_object *obj, uint32_t n, bool is_v6)
{
	struct prefix *deny = calloc(n, sizeof(*deny)), *allow = NULL;
	struct source_table *t = open_table(obj);
	uint32_t i;

	if (!deny)
		fill_die("memory");
	for (i = 0; i < n; i++)
		deny[i] = is_v6 ? deny_prefix_v6(i) : deny_prefix(i);
	if (source_table_set(t, SOURCE_LIST_DENY, deny, n) ||
	    source_table_set(t, SOURCE_LIST_ALLOW, allow, 0))
		fill_die("deny");
	set_group(t);
	apply(t);
	free(deny);
}

static void set_filter(struct bpf_object *obj, const struct addr *a, uint8_t bit)
{
	static _Thread_local struct verdict_filter filter;
	uint32_t zero = 0;
	int fd = map_of(obj, "verdict_filter");

	if (bpf_map_lookup_elem(fd, &zero, &filter))
		fill_die("verdict_filter");
	filter.bucket[verdict_filter_bucket(a)] |= bit;
	set(obj, "verdict_filter", &zero, &filter);
}

void fill_verdicts(struct bpf_object *obj, uint32_t sources, uint32_t flows)
{
	struct verdict v = { .until_ns = FOREVER, .action = VERDICT_DROP };
	static _Thread_local struct verdict_filter filter;
	uint32_t zero = 0, i;

	for (i = 0; i < sources; i++) {
		struct verdict_key key = { 128, v4(vary_source(i + 7777777)) };

		set(obj, "verdict_source", &key, &v);
		filter.bucket[verdict_filter_bucket(&key.addr)] |= VERDICT_FILTER_SOURCE;
	}
	for (i = 0; i < flows; i++) {
		struct flow_key key = { .src = v4(vary_source(i + 9999999)),
					.dst = v4(0xc000020a),
					.sport = 1,
					.dport = 2,
					.proto = 6 };

		set(obj, "verdict_flow", &key, &v);
		filter.bucket[verdict_filter_bucket(&key.src)] |= VERDICT_FILTER_FLOW;
	}
	set(obj, "verdict_filter", &zero, &filter);
}

void fill_verdict_of(struct bpf_object *obj, const uint8_t source[4])
{
	struct verdict v = { .until_ns = FOREVER, .action = VERDICT_DROP };
	struct verdict_key key = { 128, v4(0) };

	memcpy(&key.addr.b[12], source, 4);
	set(obj, "verdict_source", &key, &v);
	set_filter(obj, &key.addr, VERDICT_FILTER_SOURCE);
}

void fill_no_verdicts(struct bpf_object *obj)
{
	struct drop_cache_state state = { .no_verdicts = 1 };
	uint32_t zero = 0;

	set(obj, "drop_cache_state", &zero, &state);
}

void fill_no_vips(struct bpf_object *obj)
{
	const struct vip_state state = { .is_empty = 1 };
	uint32_t zero = 0;

	set(obj, "vip_state", &zero, &state);
}

void fill_vip(struct bpf_object *obj)
{
	struct vip_key key = { .addr = v4(FILL_VIP_ADDR),
			       .port = __builtin_bswap16(FILL_VIP_PORT),
			       .proto = 6 };
	struct vip vip = { .id = FILL_VIP,
			   .ring_size = FILL_STRIDE,
			   .service = FILL_SERVICE,
			   .hash_seed = { 1, 2 } };
	struct backend backend = { .ifindex = 1, .mtu = 1500, .flags = BACKEND_READY };
	struct vip_slot first = { .backend = 1 };
	uint32_t id = 1, slot;

	set(obj, "vips", &key, &vip);
	set(obj, "backends", &id, &backend);
	for (slot = 2 * FILL_VIP * FILL_STRIDE; slot < (2 * FILL_VIP + 1) * FILL_STRIDE; slot++)
		set(obj, "vip_ring", &slot, &first);
}

void fill_guard(struct bpf_object *obj, uint32_t mode)
{
	struct guard g = { .mode = mode, .on_per_s = 10000, .off_per_s = 5000, .hold_ns = SECOND };
	uint32_t own = GUARD_OWN, vip = FILL_VIP;

	set(obj, "guards", &own, &g);
	set(obj, "guards", &vip, &g);
}
