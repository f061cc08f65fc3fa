/* SPDX-License-Identifier: BSD-2-Clause */
#include "scale.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "dataplane/dataplane_state.h"
#include "dataplane/vip_ring.h"
#include "dataplane/vip_state.h"
#include "fill.h"

#define BACKENDS   10000
#define EACH	   100 /* of a vip, but where one vip has all */
#define VIPS	   (BACKENDS / EACH)
#define ROOM_VIPS  (2 * VIPS)
#define ROOM	   (4 * BACKENDS) /* ids of those that were are free a while after */
#define ROOM_FLOWS 65536
#define RING	   65537
#define RUNS_MAX   99
#define WAIT_S	   60

#define DEVICE "scale0"

static const char *const cases[] = { "configure-10000", "reconfigure-10000", "ring-flip", "bytes" };

static char device[] = DEVICE;
static char names[BACKENDS][8];
static struct conf_backend backends[BACKENDS];
static struct conf_vip vips[VIPS];
static struct conf conf = { .vips = vips };
static char pins[64];
static int pins_fd = -1;
static struct loop *loop;
static struct dataplane *dp;
static FILE *rows;

static double cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static time_t wall_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

bool scale_is_wanted(void)
{
	const char *words = getenv("CASES");
	char copy[1024], *at = copy, *word;
	size_t i;

	if (!words)
		return true;
	snprintf(copy, sizeof(copy), "%s", words);
	while ((word = strsep(&at, ", "))) {
		for (i = 0; *word && i < sizeof(cases) / sizeof(cases[0]); i++)
			if (strstr(cases[i], word))
				return true;
	}
	return false;
}

static void clean_up(void)
{
	struct errmsg err;

	if (pins_fd < 0)
		return;
	dataplane_detach_all(pins_fd, &err);
	rmdir(pins);
	pins_fd = -1;
	if (system("ip link del " DEVICE))
		fprintf(stderr, "bench_dataplane: cannot remove " DEVICE "\n");
}

static struct addr v4(uint32_t host)
{
	struct addr a = { 0 };

	a.w[2] = htonl(0xffff);
	a.w[3] = htonl(host);
	return a;
}

static void open_all(void)
{
	const struct conf_dataplane want = { .enabled = true,
					     .max_clients = 4096,
					     .limit_rows = 65536,
					     .max_responses = 4096,
					     .max_concurrent = 1024,
					     .max_acl = 1024,
					     .max_verdicts = 1024,
					     .max_vips = ROOM_VIPS,
					     .max_backends = ROOM,
					     .max_flows = ROOM_FLOWS,
					     .max_nat_flows = ROOM_FLOWS,
					     .max_meters = 256,
					     .ring_size = RING };
	struct errmsg err = { 0 };

	log_set_level(LOG_ERROR);
	if (system("ip link add " DEVICE " type veth peer name scale1 && ip link set " DEVICE
		   " up && ip link set scale1 up"))
		fill_die("ip link");
	snprintf(pins, sizeof(pins), "/sys/fs/bpf/t-bench-%d", (int)getpid());
	if (mkdir(pins, 0700) || loop_new(&loop))
		fill_die(pins);
	pins_fd = open(pins, O_PATH | O_DIRECTORY | O_CLOEXEC);
	atexit(clean_up);
	if (dataplane_open(pins_fd, &want, &dp, &err)) {
		fprintf(stderr, "bench_dataplane: %s\n", err.text);
		exit(1);
	}
}

/* The backends in so many vips, each with as many. */
static void configure(size_t n_vips)
{
	size_t i;

	for (i = 0; i < BACKENDS; i++) {
		snprintf(names[i], sizeof(names[i]), "b%zu", i);
		backends[i] = (struct conf_backend) { .name = names[i],
						      .address = v4(0x0a000001 + (uint32_t)i),
						      .weight = 1 + i % 3,
						      .has_mac = true,
						      .mac = { 2, 1, 2, 3, 4, 5 },
						      .device = device };
	}
	for (i = 0; i < n_vips; i++)
		vips[i] = (struct conf_vip) { .name = names[i],
					      .address = v4(0xc6336401 + (uint32_t)i),
					      .port = 80,
					      .protocol = IPPROTO_TCP,
					      .backends = backends + i * (BACKENDS / n_vips),
					      .n_backends = BACKENDS / n_vips };
	conf.n_vips = n_vips;
}

/* Are all backends in the rings that packets use? */
static bool is_done(const struct vip_map *m)
{
	size_t i, j;

	for (i = 0; i < m->n_services; i++) {
		if (m->services[i].dirty)
			return false;
		for (j = 0; j < m->services[i].n_backends; j++)
			if (!m->services[i].backends[j].slots)
				return false;
	}
	return true;
}

/* Milliseconds of CPU, the kernel's included, until the configuration is in force. */
static double apply(void)
{
	double start = cpu_ms();
	time_t begun_s = wall_s();
	struct errmsg err = { 0 };

	if (vip_map_apply(dp, loop, &conf, &err)) {
		fprintf(stderr, "bench_dataplane: %s\n", err.text);
		exit(1);
	}
	while (!is_done(dp->vip)) {
		if (loop_turn(loop, 10) || wall_s() - begun_s > WAIT_S)
			fill_die("the configuration does not come into force");
	}
	return cpu_ms() - start;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void report(const char *what, const char *unit, double *values, int n)
{
	qsort(values, (size_t)n, sizeof(*values), by_value);
	printf("%-26s %8.1f %8.1f %8.1f %s\n", what, values[0], values[n / 2], values[n - 1], unit);
	fprintf(rows,
		"%s  {\"case\": \"%s\", \"subject\": \"sluice\", \"unit\": \"%s\", \"min\": %.2f, "
		"\"median\": %.2f, \"max\": %.2f, \"runs\": %d}",
		ftell(rows) > 2 ? ",\n" : "", what, unit, values[0], values[n / 2], values[n - 1],
		n);
}

/* With no vips before, so that every backend is new to the maps or comes back to them. */
static void first_load(size_t n_vips, const char *name)
{
	double took;

	conf.n_vips = 0;
	apply();
	configure(n_vips);
	took = apply();
	report(name, "CPU ms", &took, 1);
}

/* One backend is replaced by another; each vip gets other weights. */
static void reconfigure(int runs)
{
	double took[RUNS_MAX];
	int run;
	size_t i;

	for (run = 0; run < runs; run++) {
		backends[(size_t)run * 97 % BACKENDS].address = v4(0x0b000001 + (uint32_t)run);
		took[run] = apply();
	}
	report("reconfigure-10000", "CPU ms", took, runs);
	for (run = 0; run < runs; run++) {
		for (i = 0; i < BACKENDS; i++)
			backends[i].weight = 1 + (i + (size_t)run + 1) % 3;
		took[run] = apply();
	}
	report("reconfigure-10000-all", "CPU ms", took, runs);
	for (run = 0; run < runs; run++)
		took[run] = apply();
	report("reconfigure-10000-none", "CPU ms", took, runs);
}

/* One vip: a backend gets another weight, the other ring is filled, and packets use it. */
static void ring_flip(int runs)
{
	struct vip_service *s = &dp->vip->services[0];
	double took[RUNS_MAX], start;
	int run;

	for (run = 0; run < runs; run++) {
		s->backends[run % EACH].conf.weight += 5;
		s->dirty = true;
		s->flipped_ms = 0;
		start = cpu_ms();
		if (vip_ring_update(dp->vip, s, 1))
			fill_die("vip_ring_update");
		took[run] = cpu_ms() - start;
	}
	report("ring-flip", "CPU ms", took, runs);
	for (run = 0; run < runs; run++)
		took[run] = took[run] * 1e6 / s->rec.ring_size;
	report("ring-flip-slot", "CPU ns", took, runs);
}

/* Of the maps that have one element, or so many, for each. */
static double bytes_of(const char *const *wanted, uint32_t each)
{
	struct dataplane_map maps[64];
	size_t n = dataplane_maps(dp, maps, 64), i, j;
	double bytes = 0;

	for (i = 0; i < n && i < 64; i++)
		for (j = 0; wanted[j]; j++)
			if (strcmp(maps[i].name, wanted[j]) == 0)
				bytes += (double)maps[i].memory_bytes / each;
	return bytes;
}

static void memory(void)
{
	static const char *const of_vip[] = { "vips", "stats_vip", "guards", "stats_guard", NULL };
	static const char *const of_ring[] = { "vip_ring", NULL };
	static const char *const of_window[] = { "vip_flow", NULL };
	static const char *const of_nat[] = { "nat_flow", "nat_tuple", NULL };
	static const char *const of_backend[] = { "backends", "stats_backend", NULL };
	double bytes = bytes_of(of_vip, ROOM_VIPS);

	report("bytes-vip", "bytes", &bytes, 1);
	bytes = bytes_of(of_ring, ROOM_VIPS * RING);
	report("bytes-vip-slot", "bytes", &bytes, 1);
	bytes = bytes_of(of_backend, ROOM);
	report("bytes-backend", "bytes", &bytes, 1);
	bytes = bytes_of(of_window, ROOM_FLOWS);
	report("bytes-flow-window", "bytes", &bytes, 1);
	bytes = bytes_of(of_nat, ROOM_FLOWS);
	report("bytes-flow-nat", "bytes", &bytes, 1);
}

void scale_report(FILE *json, int runs)
{
	if (runs > RUNS_MAX)
		runs = RUNS_MAX;
	rows = json;
	open_all();
	first_load(1, "configure-10000-one-vip");
	first_load(VIPS, "configure-10000");
	reconfigure(runs);
	ring_flip(runs);
	memory();
	dataplane_close(dp);
	loop_free(loop);
	clean_up();
}
