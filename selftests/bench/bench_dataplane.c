/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_dataplane [FOLDER]: what each stage of the packet path costs, in ns per packet.
 *
 * Every case is the same program with the stages behind it switched off, so that the verifier has
 * deleted them. One packet is run a million times by BPF_PROG_TEST_RUN and the thread's CPU time
 * taken; the cases take turns, so that a slow moment hits all. Writes FOLDER/dataplane.json.
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
#include "sluice/abi/client.h"
#include "sluice/abi/vip.h"
#include "xdp_ingress.skel.h"

#define RUNS   11
#define REPEAT 1000000
#define STRIDE 1031
#define SECOND 1000000000ULL
#define LO     1 /* where BPF_PROG_TEST_RUN says that packets come from */
#define CLASS  1

enum stage { STAGE_NONE, STAGE_PARSE, STAGE_ACL, STAGE_VERDICT, STAGE_LIMIT, STAGE_VIP };

struct bench {
	const char *name;
	enum stage last; /* STAGE_NONE: the empty program */
	uint64_t per_s;	 /* of a packet limit */
	uint32_t expect; /* what the program returns */

	int prog_fd;
	double ns[RUNS];
};

static struct bench benches[] = {
	{ .name = "empty", .last = STAGE_NONE, .expect = 2 },
	{ .name = "parse", .last = STAGE_PARSE, .expect = 2 },
	{ .name = "+acl", .last = STAGE_ACL, .expect = 2 },
	{ .name = "+verdict", .last = STAGE_VERDICT, .expect = 2 },
	{ .name = "+limit accept", .last = STAGE_LIMIT, .per_s = 100000000, .expect = 2 },
	{ .name = "+limit refuse", .last = STAGE_LIMIT, .per_s = 1, .expect = 1 },
	{ .name = "+vip", .last = STAGE_VIP, .per_s = 100000000, .expect = 3 },
};

#define BENCHES (sizeof(benches) / sizeof(benches[0]))

/* TCP, ACK, 198.51.100.7:4000 to 192.0.2.10:80, as short as Ethernet has it. */
static const uint8_t packet[60] = {
	0x02, 0,    0,	  0,	0,    1,    0x02, 0,  0,  0, 0, 2, 0x08, 0x00, /* link */
	0x45, 0,    0,	  40,	0x12, 0x34, 0x40, 0,  64, 6, 0, 0,	       /* IPv4 */
	198,  51,   100,  7,	192,  0,    2,	  10,			       /* addresses */
	0x0f, 0xa0, 0,	  80,	0,    0,    0,	  1,  0,  0, 0, 1,	       /* ports, numbers */
	0x50, 0x10, 0xff, 0xff, 0,    0,    0,	  0,
};

static void die(const char *what)
{
	fprintf(stderr, "bench_dataplane: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void set(struct bpf_map *map, const void *key, const void *value)
{
	if (bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY))
		die(bpf_map__name(map));
}

static void set_limit(struct xdp_ingress *xdp, uint64_t per_s)
{
	struct prefix all = { .len_bits = ADDR_V4_BITS, .addr.b = { [10] = 0xff, [11] = 0xff } };
	struct limit_class class = { 0 };
	uint32_t id = CLASS;

	if (gcra_rate_set(&class.rates[0].unit[LIMIT_PACKETS], per_s, SECOND, per_s))
		die("rate");
	set(xdp->maps.limit_class, &id, &class);
	set(xdp->maps.limit_prefix, &all, &id);
}

static void set_vip(struct xdp_ingress *xdp)
{
	struct vip_key key = { .addr.b = { [10] = 0xff, 0xff, 192, 0, 2, 10 },
			       .port = __builtin_bswap16(80),
			       .proto = 6 };
	struct vip vip = { .id = 1, .ring_size = STRIDE, .hash_seed = { 1, 2 } };
	struct backend backend = { .ifindex = LO, .mtu = 1500, .flags = BACKEND_READY };
	uint32_t id = 1, slot;

	set(xdp->maps.vips, &key, &vip);
	set(xdp->maps.backends, &id, &backend);
	for (slot = 2 * STRIDE; slot < 3 * STRIDE; slot++)
		set(xdp->maps.vip_ring, &slot, &id);
}

static int load(const struct bench *b)
{
	struct xdp_ingress *xdp = xdp_ingress__open();
	struct bpf_map *map;

	if (!xdp)
		die("xdp_ingress");
	bpf_object__for_each_map(map, xdp->obj) bpf_map__set_pin_path(map, NULL);
	bpf_map__set_max_entries(xdp->maps.vip_ring, 4 * 2 * STRIDE);
	xdp->rodata->ring_stride = STRIDE;
	xdp->rodata->acl_enabled = b->last >= STAGE_ACL;
	xdp->rodata->verdict_enabled = b->last >= STAGE_VERDICT;
	xdp->rodata->limit_enabled = b->last >= STAGE_LIMIT;
	xdp->rodata->vip_enabled = b->last >= STAGE_VIP;
	if (xdp_ingress__load(xdp))
		die("load");
	if (b->per_s)
		set_limit(xdp, b->per_s);
	if (b->last >= STAGE_VIP)
		set_vip(xdp);
	return bpf_program__fd(xdp->progs.xdp_ingress);
}

static int load_empty(void)
{
	struct empty *empty = empty__open_and_load();

	if (!empty)
		die("empty");
	return bpf_program__fd(empty->progs.empty);
}

static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double measure(const struct bench *b, uint32_t repeat)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet),
		    .repeat = (int)repeat);
	double start = cpu_ns();

	if (bpf_prog_test_run_opts(b->prog_fd, &opts))
		die(b->name);
	if (opts.retval != b->expect) {
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
	double floor = benches[0].ns[RUNS / 2], before = floor;
	char path[4096];
	FILE *json;
	size_t i;

	snprintf(path, sizeof(path), "%s/dataplane.json", folder);
	json = fopen(path, "we");
	if (!json)
		die(path);
	fprintf(json, "[\n");
	printf("%-16s %8s %8s %8s %9s %8s   ns/packet, %d runs of %d\n", "case", "min", "median",
	       "max", "stage", "x empty", RUNS, REPEAT);
	for (i = 0; i < BENCHES; i++) {
		const struct bench *b = &benches[i];
		double median = b->ns[RUNS / 2];

		printf("%-16s %8.1f %8.1f %8.1f %+9.1f %8.1f\n", b->name, b->ns[0], median,
		       b->ns[RUNS - 1], median - before, median / floor);
		fprintf(json,
			"  {\"case\": \"%s\", \"subject\": \"%s\", \"unit\": \"ns/packet\", "
			"\"min\": %.2f, \"median\": %.2f, \"max\": %.2f, \"runs\": %d}%s\n",
			b->name, b->last == STAGE_NONE ? "floor" : "sluice", b->ns[0], median,
			b->ns[RUNS - 1], RUNS, i + 1 < BENCHES ? "," : "");
		/* The refusal stands beside the admission, not before the vip. */
		if (strcmp(b->name, "+limit refuse") != 0)
			before = median;
		if (i + 1 < BENCHES && strcmp(benches[i + 1].name, "+limit refuse") == 0)
			before = b[-1].ns[RUNS / 2];
		else if (strcmp(b->name, "+limit refuse") == 0)
			before = b[-1].ns[RUNS / 2];
	}
	fprintf(json, "]\n");
	if (fclose(json))
		die(path);
}

int main(int argc, char **argv)
{
	cpu_set_t one;
	size_t i;
	int run;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof(one), &one);
	for (i = 0; i < BENCHES; i++) {
		benches[i].prog_fd =
			benches[i].last == STAGE_NONE ? load_empty() : load(&benches[i]);
		/* The limit that refuses needs its burst spent first; the others warm up. */
		if (benches[i].per_s == 1) {
			uint32_t refused = benches[i].expect;

			benches[i].expect = 2;
			measure(&benches[i], 1);
			benches[i].expect = refused;
		}
		measure(&benches[i], REPEAT / 10);
	}
	for (run = 0; run < RUNS; run++) {
		for (i = 0; i < BENCHES; i++)
			benches[i].ns[run] = measure(&benches[i], REPEAT);
	}
	for (i = 0; i < BENCHES; i++)
		qsort(benches[i].ns, RUNS, sizeof(double), by_value);
	report(argc > 1 ? argv[1] : ".");
	return 0;
}
