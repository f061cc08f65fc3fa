/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_lists [FOLDER]: what it costs to ask whether a source is in a list of prefixes of five lengths,
 * by three structures: our tables (abi/source.h), an LPM trie, and a hash that is asked once for each
 * length in use. Random sources, hardly any of which is in the list; the programs take turns. Also what
 * filling and emptying costs. $RUNS: how many turns, by default 7. Writes FOLDER/lists.json.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "dataplane/source_table.h"
#include "fill.h"
#include "lists.h"
#include "lists.skel.h"

#define REPEAT	  1000000
#define RUNS_MAX  15
#define LENGTHS	  5
#define SUBJECTS  4 /* list_none is the floor of the others */
#define OF_LIST	  0x80000000U
#define OF_PACKET 0x12345678U

static const char *const subject_name[SUBJECTS] = { "floor", "sluice", "lpm-trie",
						    "hash-per-length" };

/* A list in the three structures. */
struct world {
	const char *name;
	bool is_v6;
	uint32_t n;
	struct lists *bpf;
	double ns[SUBJECTS][RUNS_MAX];
	double fill_ms[SUBJECTS], empty_ms[SUBJECTS]; /* CPU of this process */
};

static double cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void key_of(const struct world *w, uint32_t i, struct lists_key *ret)
{
	static const uint32_t v4[LENGTHS] = { 32, 32, 28, 24, 22 },
			      v6[LENGTHS] = { 64, 64, 56, 48, 40 };
	uint32_t len = w->is_v6 ? v6[i % LENGTHS] : v4[i % LENGTHS], word[2];
	uint64_t mask = ~0ULL << (64 - len);

	lists_address(OF_LIST, i, w->is_v6, word);
	ret->len_bits = len;
	ret->w[0] = __builtin_bswap32(word[0] & (uint32_t)(mask >> 32));
	ret->w[1] = __builtin_bswap32(word[1] & (uint32_t)mask);
}

static void fill_tables(struct world *w, uint32_t n)
{
	struct source_maps maps = {
		.v4_fd = bpf_map__fd(w->bpf->maps.source_v4),
		.split_fd = bpf_map__fd(w->bpf->maps.source_split),
		.long_fd = bpf_map__fd(w->bpf->maps.source_long),
		.v6_fd = bpf_map__fd(w->bpf->maps.source_v6),
		.v6_lines_fd = bpf_map__fd(w->bpf->maps.source_v6_lines),
	};
	struct prefix *list = calloc(n + 1, sizeof(*list));
	static struct source_table *table;
	struct errmsg err = { 0 };
	struct lists_key key;
	uint32_t i;

	if (n && source_table_open(&maps, &table))
		fill_die("tables");
	for (i = 0; list && i < n; i++) {
		key_of(w, i, &key);
		list[i].len_bits = key.len_bits + (w->is_v6 ? 0 : 96);
		if (w->is_v6) {
			memcpy(list[i].addr.w, key.w, sizeof(key.w));
		} else {
			list[i].addr.w[2] = __builtin_bswap32(0xffff);
			list[i].addr.w[3] = key.w[0];
		}
	}
	if (!list || source_table_set(table, SOURCE_LIST_DENY, list, n) ||
	    source_table_set(table, SOURCE_LIST_ALLOW, NULL, 0) ||
	    source_table_set_groups(table, NULL, 0) || source_table_apply(table, &err)) {
		fprintf(stderr, "%s\n", err.text);
		fill_die("tables");
	}
	free(list);
	if (!n)
		source_table_close(table);
}

/* Of a trie or a hash: put the list in, or take it out. */
static void fill_map(struct world *w, struct bpf_map *map, bool in)
{
	struct lists_key key;
	uint32_t one = 1, i;
	int fd = bpf_map__fd(map);

	for (i = 0; i < w->n; i++) {
		key_of(w, i, &key);
		w->bpf->bss->lengths |= 1ULL << (64 - key.len_bits);
		if (in ? bpf_map_update_elem(fd, &key, &one, BPF_ANY)
		       : bpf_map_delete_elem(fd, &key) && errno != ENOENT) /* twice in the list */
			fill_die(bpf_map__name(map));
	}
}

static void load(struct world *w)
{
	struct lists *b = lists__open();
	double at[SUBJECTS];
	struct bpf_map *map;

	if (!b)
		fill_die("lists");
	w->bpf = b;
	bpf_object__for_each_map(map, b->obj) bpf_map__set_pin_path(map, NULL);
	bpf_map__set_max_entries(b->maps.list_lpm, w->n);
	bpf_map__set_max_entries(b->maps.list_hash, w->n);
	bpf_map__set_max_entries(b->maps.source_split, w->n);
	bpf_map__set_max_entries(b->maps.source_long, w->n);
	bpf_map__set_max_entries(b->maps.source_v6, w->n);
	b->rodata->is_v6 = w->is_v6;
	b->rodata->series = OF_PACKET;
	if (lists__load(b))
		fill_die("lists");
	at[0] = cpu_ms();
	fill_tables(w, w->n);
	at[1] = cpu_ms();
	fill_map(w, b->maps.list_lpm, true);
	at[2] = cpu_ms();
	fill_map(w, b->maps.list_hash, true);
	at[3] = cpu_ms();
	for (int i = 1; i < SUBJECTS; i++)
		w->fill_ms[i] = at[i] - at[i - 1];
}

static void unload(struct world *w)
{
	double at[SUBJECTS] = { cpu_ms() };

	fill_tables(w, 0);
	at[1] = cpu_ms();
	fill_map(w, w->bpf->maps.list_lpm, false);
	at[2] = cpu_ms();
	fill_map(w, w->bpf->maps.list_hash, false);
	at[3] = cpu_ms();
	for (int i = 1; i < SUBJECTS; i++)
		w->empty_ms[i] = at[i] - at[i - 1];
	lists__destroy(w->bpf);
}

static double run(struct world *w, int subject)
{
	const struct bpf_program *programs[SUBJECTS] = { w->bpf->progs.list_none,
							 w->bpf->progs.list_tables,
							 w->bpf->progs.list_trie,
							 w->bpf->progs.list_lengths };
	uint8_t frame[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = REPEAT);
	double start = cpu_ms();

	w->bpf->bss->count = 0;
	if (bpf_prog_test_run_opts(bpf_program__fd(programs[subject]), &opts))
		fill_die("run");
	return (cpu_ms() - start) * 1e6 / REPEAT;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void row(FILE *json, const struct world *w, int subject, const char *what, const char *unit,
		const double *sorted, int runs)
{
	fprintf(json,
		"%s  {\"case\": \"lists-%s%s\", \"subject\": \"%s\", \"unit\": \"%s\", \"min\": %.1f, "
		"\"median\": %.1f, \"max\": %.1f, \"runs\": %d}",
		ftell(json) > 2 ? ",\n" : "", w->name, what, subject_name[subject], unit, sorted[0],
		sorted[runs / 2], sorted[runs - 1], runs);
}

/* Of each run, what the program costs beyond the one that only makes the source up. */
static void report(FILE *json, struct world *w, int runs)
{
	for (int s = 1; s < SUBJECTS; s++) {
		double ns[RUNS_MAX];

		for (int i = 0; i < runs; i++)
			ns[i] = w->ns[s][i] - w->ns[0][i];
		qsort(ns, (size_t)runs, sizeof(double), by_value);
		printf("%-12s %-16s %8.1f %8.1f %8.1f %10.0f %10.0f\n", w->name, subject_name[s],
		       ns[0], ns[runs / 2], ns[runs - 1], w->fill_ms[s], w->empty_ms[s]);
		row(json, w, s, "", "ns/look-up", ns, runs);
		row(json, w, s, "-fill", "CPU ms", &w->fill_ms[s], 1);
		row(json, w, s, "-empty", "CPU ms", &w->empty_ms[s], 1);
	}
}

static void measure(FILE *json, struct world *w, int runs)
{
	load(w);
	for (int s = 0; s < SUBJECTS; s++)
		run(w, s); /* warm */
	for (int i = 0; i < runs; i++)
		for (int s = 0; s < SUBJECTS; s++)
			w->ns[s][i] = run(w, s);
	unload(w);
	report(json, w, runs);
}

int main(int argc, char **argv)
{
	static struct world worlds[] = {
		{ .name = "ipv4-10k", .n = 10000 },
		{ .name = "ipv4-1M", .n = 1000000 },
		{ .name = "ipv6-10k", .n = 10000, .is_v6 = true },
		{ .name = "ipv6-1M", .n = 1000000, .is_v6 = true },
	};
	const char *text = getenv("RUNS");
	int runs = text ? atoi(text) : 7;
	char path[4096];
	FILE *json;

	if (runs < 1 || runs > RUNS_MAX)
		runs = 7;
	snprintf(path, sizeof(path), "%s/lists.json", argc > 1 ? argv[1] : ".");
	json = fopen(path, "we");
	if (!json)
		fill_die(path);
	fprintf(json, "[\n");
	printf("%-12s %-16s %8s %8s %8s %10s %10s   ns a look-up, %d runs of %d; CPU ms\n", "list",
	       "structure", "min", "median", "max", "to fill", "to empty", runs, REPEAT);
	for (size_t i = 0; i < sizeof(worlds) / sizeof(worlds[0]); i++)
		measure(json, &worlds[i], runs);
	fprintf(json, "\n]\n");
	if (fclose(json))
		fill_die(path);
	return 0;
}
