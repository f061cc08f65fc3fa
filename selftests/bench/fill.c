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
#include "sluice/abi/verdict.h"
#include "sluice/abi/vip.h"
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

static void set(const struct bpf_map *map, const void *key, const void *value)
{
	if (bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY))
		fill_die(bpf_map__name(map));
}

static struct addr v4(uint32_t host)
{
	struct addr a = { 0 };

	a.w[2] = __builtin_bswap32(0xffff);
	a.w[3] = __builtin_bswap32(host);
	return a;
}

static struct source_table *open_table(struct xdp_ingress *xdp)
{
	struct source_maps maps = {
		.v4_fd = bpf_map__fd(xdp->maps.source_v4),
		.split_fd = bpf_map__fd(xdp->maps.source_split),
		.long_fd = bpf_map__fd(xdp->maps.source_long),
		.v6_fd = bpf_map__fd(xdp->maps.source_v6),
		.v6_lengths_fd = bpf_map__fd(xdp->maps.source_v6_lengths),
	};
	struct source_table *t;

	errno = -source_table_open(&maps, &t);
	if (errno)
		fill_die("source tables");
	return t;
}

static void set_group(struct source_table *t)
{
	struct source_group_prefix all = { { ADDR_V4_BITS, v4(0) }, FILL_GROUP };

	if (source_table_set_groups(t, &all, 1))
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

void fill_limit(struct xdp_ingress *xdp, uint64_t per_s, uint64_t burst)
{
	struct limit_class class = { .row_bits = FILL_ROW_BITS };
	static struct limit_set limits;
	struct source_table *t = open_table(xdp);
	struct limit_state state = { 0 };
	uint32_t id = FILL_CLASS, group = FILL_GROUP, zero = 0, i;

	/* 0: one packet a day, so that all but the first are refused. */
	if (gcra_rate_set(&class.rates[0].unit[LIMIT_PACKETS], per_s ? per_s : 1,
			  per_s ? SECOND : 86400 * SECOND, burst))
		fill_die("rate");
	set(xdp->maps.limit_class, &id, &class);
	limits.service[0].limit_class[0] = FILL_CLASS;
	set(xdp->maps.limit_set, &group, &limits);
	for (i = 0; i < LIMIT_ROW_KEY_WORDS * 2; i++)
		state.key[0].row[i / LIMIT_ROW_KEY_WORDS][i % LIMIT_ROW_KEY_WORDS] =
			0x9e3779b97f4a7c15ULL * (i + 1);
	set(xdp->maps.limit_state, &zero, &state);
	set_group(t);
	source_table_set(t, SOURCE_LIST_ALLOW, NULL, 0);
	source_table_set(t, SOURCE_LIST_DENY, NULL, 0);
	apply(t);
}

void fill_proven(struct xdp_ingress *xdp, uint32_t n)
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
		if (bpf_map_update_batch(bpf_map__fd(xdp->maps.clients), keys, values, &count,
					 NULL))
			fill_die("clients");
	}
	free(keys);
	free(values);
}

/* Six lengths, a third of them hosts, spread over all addresses. */
static struct prefix deny_prefix(uint32_t i)
{
	static const uint32_t lengths[] = { 32, 32, 24, 20, 22, 28, 30 };
	uint32_t len = lengths[i % 7];
	uint32_t host = vary_source(i ^ 0x80000000U) ^ 0x5bd1e995U;

	return (struct prefix) { ADDR_V4_BITS + len, v4(host & ~0U << (32 - len)) };
}

void fill_deny(struct xdp_ingress *xdp, uint32_t n, uint32_t sources)
{
	struct prefix *deny = calloc(n, sizeof(*deny)), *allow = NULL;
	struct source_table *t = open_table(xdp);
	uint32_t i;

	(void)sources;
	if (!deny)
		fill_die("memory");
	for (i = 0; i < n; i++)
		deny[i] = deny_prefix(i);
	if (source_table_set(t, SOURCE_LIST_DENY, deny, n) ||
	    source_table_set(t, SOURCE_LIST_ALLOW, allow, 0))
		fill_die("deny");
	set_group(t);
	apply(t);
	free(deny);
}

static void set_filter(struct xdp_ingress *xdp, const struct addr *a, uint8_t bit)
{
	static struct verdict_filter filter;
	uint32_t zero = 0;
	int fd = bpf_map__fd(xdp->maps.verdict_filter);

	if (bpf_map_lookup_elem(fd, &zero, &filter))
		fill_die("verdict_filter");
	filter.bucket[verdict_filter_bucket(a)] |= bit;
	set(xdp->maps.verdict_filter, &zero, &filter);
}

void fill_verdicts(struct xdp_ingress *xdp, uint32_t sources, uint32_t flows)
{
	struct verdict v = { .until_ns = FOREVER, .action = VERDICT_DROP };
	static struct verdict_filter filter;
	uint32_t zero = 0, i;

	for (i = 0; i < sources; i++) {
		struct verdict_key key = { 128, v4(vary_source(i + 7777777)) };

		set(xdp->maps.verdict_source, &key, &v);
		filter.bucket[verdict_filter_bucket(&key.addr)] |= VERDICT_FILTER_SOURCE;
	}
	for (i = 0; i < flows; i++) {
		struct flow_key key = { .src = v4(vary_source(i + 9999999)),
					.dst = v4(0xc000020a),
					.sport = 1,
					.dport = 2,
					.proto = 6 };

		set(xdp->maps.verdict_flow, &key, &v);
		filter.bucket[verdict_filter_bucket(&key.src)] |= VERDICT_FILTER_FLOW;
	}
	set(xdp->maps.verdict_filter, &zero, &filter);
}

void fill_verdict_of(struct xdp_ingress *xdp, const uint8_t source[4])
{
	struct verdict v = { .until_ns = FOREVER, .action = VERDICT_DROP };
	struct verdict_key key = { 128, v4(0) };

	memcpy(&key.addr.b[12], source, 4);
	set(xdp->maps.verdict_source, &key, &v);
	set_filter(xdp, &key.addr, VERDICT_FILTER_SOURCE);
}

void fill_vip(struct xdp_ingress *xdp)
{
	struct vip_key key = { .addr = v4(0xc000020a), .port = __builtin_bswap16(80), .proto = 6 };
	struct vip vip = { .id = 1, .ring_size = FILL_STRIDE, .hash_seed = { 1, 2 } };
	struct backend backend = { .ifindex = 1, .mtu = 1500, .flags = BACKEND_READY };
	uint32_t id = 1, slot;

	set(xdp->maps.vips, &key, &vip);
	set(xdp->maps.backends, &id, &backend);
	for (slot = 2 * FILL_STRIDE; slot < 3 * FILL_STRIDE; slot++)
		set(xdp->maps.vip_ring, &slot, &id);
}
