/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_dataplane [FOLDER]: what the packet path costs, in ns per packet and in empty programs.
 *
 * Stages: the same program with the stages behind it switched off, so that the verifier has deleted
 * them. Tables: the shipped program, filled. A packet is run a million times by BPF_PROG_TEST_RUN,
 * with one source or (vary.bpf.c) another one each time, and the thread's CPU time taken; the cases
 * take turns, so that a slow moment hits all. Writes FOLDER/dataplane.json.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "empty.skel.h"
#include "fill.h"
#include "primitives.skel.h"
#include "sluice/abi/client.h"
#include "vary.skel.h"

#define RUNS   9
#define REPEAT 1000000
#define FAST   100000000 /* a rate that never refuses here */
#define SLOW   1	 /* one packet a day */

enum stage {
	STAGE_EMPTY,
	STAGE_FLOOR,
	STAGE_PARSE,
	STAGE_ACL,
	STAGE_VERDICT,
	STAGE_LIMIT,
	STAGE_ALL
};

struct bench {
	const char *name;
	enum stage last;
	uint32_t expect;   /* what the program returns */
	uint64_t per_s;	   /* of a packet limit; 0: none */
	bool proven;	   /* sources have meters of their own */
	uint32_t sources;  /* a power of two; 0: the packet's */
	uint32_t deny;	   /* prefixes, mixed lengths */
	uint32_t verdicts; /* of others, on sources and as many on flows */
	bool verdict;	   /* one on the packet's source */
	bool vip;

	int prog_fd;
	struct vary *vary;
	double ns[RUNS];
};

#define K64 65536
#define M1  1048576

static struct bench benches[] = {
	{ .name = "empty", .last = STAGE_EMPTY, .expect = 2 },
	{ .name = "parse", .last = STAGE_PARSE, .expect = 2 },
	{ .name = "+acl", .last = STAGE_ACL, .expect = 2 },
	{ .name = "+verdict", .last = STAGE_VERDICT, .expect = 2 },
	{ .name = "limit-primitives", .last = STAGE_FLOOR, .expect = 2 },
	{ .name = "limit-accept", .last = STAGE_LIMIT, .expect = 2, .per_s = FAST, .proven = true },
	{ .name = "limit-refuse", .last = STAGE_LIMIT, .expect = 1, .per_s = SLOW, .proven = true },
	{ .name = "limit-accept-row", .last = STAGE_LIMIT, .expect = 2, .per_s = FAST },
	{ .name = "limit-refuse-row", .last = STAGE_LIMIT, .expect = 1, .per_s = SLOW },
	{ .name = "+vip",
	  .last = STAGE_ALL,
	  .expect = 3,
	  .per_s = FAST,
	  .proven = true,
	  .vip = true },
	{ .name = "verdict-hit", .last = STAGE_ALL, .expect = 1, .verdict = true },
	{ .name = "populated",
	  .last = STAGE_ALL,
	  .expect = 2,
	  .per_s = FAST,
	  .proven = true,
	  .deny = 1000,
	  .verdicts = 10000 },
	{ .name = "empty-64k", .last = STAGE_EMPTY, .expect = 2, .sources = K64 },
	{ .name = "limit-accept-64k",
	  .last = STAGE_ALL,
	  .expect = 2,
	  .per_s = FAST,
	  .proven = true,
	  .sources = K64 },
	{ .name = "limit-refuse-64k",
	  .last = STAGE_ALL,
	  .expect = 1,
	  .per_s = SLOW,
	  .proven = true,
	  .sources = K64 },
	{ .name = "limit-accept-1M",
	  .last = STAGE_ALL,
	  .expect = 2,
	  .per_s = FAST,
	  .proven = true,
	  .sources = M1 },
	{ .name = "limit-refuse-1M",
	  .last = STAGE_ALL,
	  .expect = 1,
	  .per_s = SLOW,
	  .proven = true,
	  .sources = M1 },
	{ .name = "limit-spoofed-64k",
	  .last = STAGE_ALL,
	  .expect = 2,
	  .per_s = FAST,
	  .sources = K64 },
	{ .name = "limit-spoofed", .last = STAGE_ALL, .expect = 2, .per_s = FAST, .sources = M1 },
	{ .name = "deny-1", .last = STAGE_ALL, .expect = 2, .deny = 1, .sources = M1 },
	{ .name = "deny-10k", .last = STAGE_ALL, .expect = 2, .deny = 10000, .sources = M1 },
	{ .name = "deny-1M", .last = STAGE_ALL, .expect = 2, .deny = 1000000, .sources = M1 },
};

#define BENCHES (sizeof(benches) / sizeof(benches[0]))

/* TCP, ACK, 198.51.100.7:4000 to 192.0.2.10:80, as short as Ethernet has it. */
static uint8_t packet[60] = {
	0x02, 0,    0,	  0,	0,    1,    0x02, 0,  0,  0, 0, 2, 0x08, 0x00, /* link */
	0x45, 0,    0,	  40,	0x12, 0x34, 0x40, 0,  64, 6, 0, 0,	       /* IPv4 */
	198,  51,   100,  7,	192,  0,    2,	  10,			       /* addresses */
	0x0f, 0xa0, 0,	  80,	0,    0,    0,	  1,  0,  0, 0, 1,	       /* ports, numbers */
	0x50, 0x10, 0xff, 0xff, 0,    0,    0,	  0,
};
#define SOURCE_AT 26

static void size_maps(struct xdp_ingress *xdp, const struct bench *b)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, xdp->obj) bpf_map__set_pin_path(map, NULL);
	bpf_map__set_max_entries(xdp->maps.vip_ring, 4 * 2 * FILL_STRIDE);
	bpf_map__set_max_entries(xdp->maps.source_split, 1 << 20);
	bpf_map__set_max_entries(xdp->maps.limit_rows, b->per_s ? 2U << FILL_ROW_BITS : 1);
	if (b->sources > 200000)
		bpf_map__set_max_entries(xdp->maps.clients, b->sources + b->sources / 4);
}

/* The packet's own source has a record too. */
static void prove_packet(struct xdp_ingress *xdp)
{
	struct client_key key = { .limit_class = FILL_CLASS };
	struct client c = { 0 };

	key.source.w[2] = __builtin_bswap32(0xffff);
	memcpy(&key.source.b[12], &packet[SOURCE_AT], 4);
	if (bpf_map_update_elem(bpf_map__fd(xdp->maps.clients), &key, &c, BPF_ANY))
		fill_die("clients");
}

static void fill(struct xdp_ingress *xdp, const struct bench *b)
{
	if (b->per_s)
		fill_limit(xdp, b->per_s == SLOW ? 0 : b->per_s, b->per_s);
	if (b->proven && b->sources)
		fill_proven(xdp, b->sources);
	else if (b->proven)
		prove_packet(xdp);
	if (b->deny)
		fill_deny(xdp, b->deny, b->sources);
	if (b->verdicts)
		fill_verdicts(xdp, b->verdicts, b->verdicts);
	if (b->verdict)
		fill_verdict_of(xdp, &packet[SOURCE_AT]);
	if (b->vip)
		fill_vip(xdp);
}

static int load(const struct bench *b)
{
	struct xdp_ingress *xdp = xdp_ingress__open();

	if (!xdp)
		fill_die("xdp_ingress");
	size_maps(xdp, b);
	xdp->rodata->ring_stride = FILL_STRIDE;
	xdp->rodata->acl_enabled = b->last >= STAGE_ACL;
	xdp->rodata->verdict_enabled = b->last >= STAGE_VERDICT;
	xdp->rodata->limit_enabled = b->last >= STAGE_LIMIT;
	xdp->rodata->vip_enabled = b->last >= STAGE_ALL;
	if (xdp_ingress__load(xdp))
		fill_die("load");
	fill(xdp, b);
	return bpf_program__fd(xdp->progs.xdp_ingress);
}

static int load_empty(void)
{
	struct empty *empty = empty__open_and_load();

	if (!empty)
		fill_die("empty");
	return bpf_program__fd(empty->progs.empty);
}

static int load_primitives(void)
{
	struct primitives *p = primitives__open_and_load();
	struct client_key key = { .limit_class = 1 };
	struct client c = { 0 };

	if (!p)
		fill_die("primitives");
	key.source.w[2] = __builtin_bswap32(0xffff);
	memcpy(&key.source.b[12], &packet[SOURCE_AT], 4);
	if (bpf_map_update_elem(bpf_map__fd(p->maps.sources), &key, &c, BPF_ANY))
		fill_die("sources");
	return bpf_program__fd(p->progs.primitives);
}

static void load_vary(struct bench *b)
{
	uint32_t zero = 0;

	b->vary = vary__open_and_load();
	if (!b->vary ||
	    bpf_map_update_elem(bpf_map__fd(b->vary->maps.vary_next), &zero, &b->prog_fd, BPF_ANY))
		fill_die("vary");
	b->vary->bss->vary_mask = b->sources - 1;
	b->prog_fd = bpf_program__fd(b->vary->progs.vary);
}

static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double measure(const struct bench *b, uint32_t repeat, bool check)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet),
		    .repeat = (int)repeat);
	double start = cpu_ns();

	if (bpf_prog_test_run_opts(b->prog_fd, &opts))
		fill_die(b->name);
	/* Random sources may be in a denied prefix: it is the last one's answer that is seen. */
	if (check && opts.retval != b->expect && !(b->deny && b->sources && opts.retval == 1)) {
		fprintf(stderr, "bench_dataplane: %s: the program returned %u\n", b->name,
			opts.retval);
		exit(1);
	}
	return (cpu_ns() - start) / repeat;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void report(const char *folder)
{
	double floor = benches[0].ns[RUNS / 2];
	char path[4096];
	FILE *json;
	size_t i;

	snprintf(path, sizeof(path), "%s/dataplane.json", folder);
	json = fopen(path, "we");
	if (!json)
		fill_die(path);
	fprintf(json, "[\n");
	printf("%-20s %8s %8s %8s %8s   ns/packet, %d runs of %d\n", "case", "min", "median", "max",
	       "x empty", RUNS, REPEAT);
	for (i = 0; i < BENCHES; i++) {
		const struct bench *b = &benches[i];
		double median = b->ns[RUNS / 2];

		printf("%-20s %8.1f %8.1f %8.1f %8.1f\n", b->name, b->ns[0], median,
		       b->ns[RUNS - 1], median / floor);
		fprintf(json,
			"  {\"case\": \"%s\", \"subject\": \"%s\", \"unit\": \"ns/packet\", "
			"\"min\": %.2f, \"median\": %.2f, \"max\": %.2f, \"runs\": %d}%s\n",
			b->name, b->last <= STAGE_FLOOR ? "floor" : "sluice", b->ns[0], median,
			b->ns[RUNS - 1], RUNS, i + 1 < BENCHES ? "," : "");
	}
	fprintf(json, "]\n");
	if (fclose(json))
		fill_die(path);
}

static void prepare(struct bench *b)
{
	b->prog_fd = b->last == STAGE_EMPTY   ? load_empty()
		     : b->last == STAGE_FLOOR ? load_primitives()
					      : load(b);
	if (b->sources)
		load_vary(b);
	/* A limit that refuses needs its burst spent first; caches and rows are warmed too. */
	measure(b, b->sources > REPEAT / 10 ? b->sources : REPEAT / 10, false);
}

int main(int argc, char **argv)
{
	cpu_set_t one;
	size_t i;
	int run;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof(one), &one);
	for (i = 0; i < BENCHES; i++)
		prepare(&benches[i]);
	for (run = 0; run < RUNS; run++) {
		for (i = 0; i < BENCHES; i++)
			benches[i].ns[run] = measure(&benches[i], REPEAT, true);
	}
	for (i = 0; i < BENCHES; i++)
		qsort(benches[i].ns, RUNS, sizeof(double), by_value);
	report(argc > 1 ? argv[1] : ".");
	return 0;
}
