/* SPDX-License-Identifier: BSD-2-Clause */
#include "limit_memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "sluice/abi/client.h"
#include "sluice/abi/limit.h"
#include "sluice/abi/limit_concurrent.h"
#include "sluice/abi/source.h"
#include "sluice/abi/stats.h"
#include "sluice/abi/verdict.h"

/* kernel/bpf/hashtab.c: struct htab_elem, and one bucket for each entry or two. */
#define HASH_ELEMENT_BYTES 48
#define HASH_BUCKET_BYTES  16
/* Of a hash that allocates as it goes, an element is rounded up to a size of the kernel's caches. */
#define SPLIT_BYTES 192
#define V6_BYTES    96
/* kernel/bpf/lpm_trie.c: struct lpm_trie_node with key and value; inner nodes are as many again. */
#define TRIE_NODE_BYTES 96

static uint64_t padded(uint64_t bytes)
{
	return (bytes + 7) / 8 * 8;
}

static uint64_t hash_bytes(uint64_t entries, uint64_t element_bytes)
{
	uint64_t buckets = 1;

	while (buckets < entries)
		buckets *= 2;
	return entries * element_bytes + buckets * HASH_BUCKET_BYTES;
}

/* All of it there from the beginning. */
static uint64_t hash_all_bytes(uint64_t entries, uint64_t key_bytes, uint64_t value_bytes)
{
	return hash_bytes(entries, HASH_ELEMENT_BYTES + padded(key_bytes) + padded(value_bytes));
}

size_t limit_memory(const struct conf_dataplane *conf, unsigned int cpus, struct limit_memory *ret,
		    size_t max, uint64_t *ret_sum)
{
	const uint64_t clients = conf->max_clients, acl = conf->max_acl, rows = conf->limit_rows;
	const uint64_t verdicts = conf->max_verdicts;
	const uint64_t concurrent = conf->max_concurrent / LIMIT_CONCURRENT_WAYS;
	const struct limit_memory all[] = {
		{ "clients", clients,
		  hash_all_bytes(clients, sizeof(struct client_key), sizeof(struct client)) },
		{ "limit_rows", rows, rows * sizeof(struct limit_meters) },
		{ "limit_class", LIMIT_CLASSES, LIMIT_CLASSES * sizeof(struct limit_class) },
		{ "limit_total", LIMIT_CLASSES, LIMIT_CLASSES * sizeof(struct limit_meters) },
		{ "limit_set", LIMIT_CLASSES, LIMIT_CLASSES * sizeof(struct limit_set) },
		{ "limit_port", LIMIT_PORT_TABLES, LIMIT_PORT_TABLES * sizeof(struct limit_ports) },
		{ "limit_state", 1, sizeof(struct limit_state) },
		{ "limit_amplifier", 1, sizeof(struct limit_amplifier) },
		{ "stats_limit", LIMIT_CLASSES, LIMIT_CLASSES * sizeof(struct stats_limit) * cpus },
		{ "source_v4", SOURCE_LINES, SOURCE_LINES * sizeof(struct source_line) },
		{ "source_split", acl, hash_bytes(acl, SPLIT_BYTES) },
		{ "source_long", acl, 2 * acl * TRIE_NODE_BYTES },
		{ "source_v6", acl, hash_bytes(acl, V6_BYTES) },
		{ "source_v6_lines", SOURCE_V6_LINES,
		  SOURCE_V6_LINES * sizeof(struct source_v6_line) },
		{ "verdict_source", verdicts,
		  hash_all_bytes(verdicts, sizeof(struct verdict_key), sizeof(struct verdict)) },
		{ "verdict_flow", verdicts,
		  hash_all_bytes(verdicts, sizeof(struct flow_key), sizeof(struct verdict)) },
		{ "verdict_filter", 1, sizeof(struct verdict_filter) },
		{ "limit_concurrent", concurrent,
		  concurrent * sizeof(struct limit_concurrent_set) },
		{ "response_credit", conf->max_responses, conf->max_responses * 8ULL },
	};
	size_t n = sizeof(all) / sizeof(all[0]);

	_Static_assert(sizeof(all) / sizeof(all[0]) <= LIMIT_MEMORY_ROWS, "callers have room");
	*ret_sum = 0;
	for (size_t i = 0; i < n; i++) {
		*ret_sum += all[i].bytes;
		if (i < max)
			ret[i] = all[i];
	}
	return n;
}

static int by_bytes(const void *a, const void *b)
{
	const struct limit_memory *x = a, *y = b;

	return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

static uint64_t mib(uint64_t bytes)
{
	return (bytes + (1 << 19)) >> 20;
}

int limit_memory_format(const struct conf_dataplane *conf, struct buf *out)
{
	const long cpus = sysconf(_SC_NPROCESSORS_CONF), pages = sysconf(_SC_PHYS_PAGES);
	const uint64_t machine = pages > 0 ? (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
	struct limit_memory rows[LIMIT_MEMORY_ROWS];
	uint64_t sum;
	size_t n;
	int err;

	if (!conf->enabled)
		return 0;
	n = limit_memory(conf, cpus > 0 ? (unsigned int)cpus : 1, rows, LIMIT_MEMORY_ROWS, &sum);
	qsort(rows, n, sizeof(*rows), by_bytes);
	err = buf_printf(out, "memory of limits and lists in the kernel: at most %" PRIu64 " MiB\n",
			 mib(sum));
	for (size_t i = 0; i < n && !err && mib(rows[i].bytes); i++)
		err = buf_printf(out, "  %-20s %8" PRIu64 " MiB of %" PRIu64 " entries\n",
				 rows[i].map, mib(rows[i].bytes), rows[i].entries);
	if (!err && machine && sum > machine)
		err = buf_printf(out,
				 "warning: this machine has %" PRIu64
				 " MiB; lower the sizes of dataplane\n",
				 mib(machine));
	return err;
}
