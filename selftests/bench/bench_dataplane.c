/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_dataplane [FOLDER]: what the packet path costs, in ns per packet and in empty programs.
 *
 * Stages: the same program with the stages behind it switched off, so that the verifier has deleted
 * them. Tables: the shipped program, filled. A packet is run a million times by BPF_PROG_TEST_RUN,
 * with one source or (vary.bpf.c) another one each time, and the thread's CPU time taken; the cases
 * take turns, so that a slow moment hits all. $RUNS: how many turns, at most and by default 15. Writes
 * FOLDER/dataplane.json.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "fill.h"
#include "host.h"
#include "scale.h"
#include "subject.h"

#define REPEAT	    1000000
#define LOADERS_MAX 8

static int runs = SUBJECT_RUNS;

static double clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double measure(const struct subject *s, uint32_t repeat, bool check)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = s->packet.bytes,
		    .data_size_in = s->packet.n, .repeat = (int)repeat);
	double start = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	if (bpf_prog_test_run_opts(s->prog_fd, &opts))
		fill_die(s->name);
	/* Random sources may be in a denied prefix: it is the last one's answer that is seen. */
	if (check && opts.retval != s->expect && !((s->sources || s->flows) && opts.retval == 1)) {
		fprintf(stderr, "bench_dataplane: %s: the program returned %u\n", s->name,
			opts.retval);
		exit(1);
	}
	return (clock_ns(CLOCK_THREAD_CPUTIME_ID) - start) / repeat;
}

/* A cookie is good for a minute or two: the acknowledgement is of a new one each time. */
static void renew_cookie(struct subject *s)
{
	const struct subject *made = subject_named("syncookie-made");
	struct frame answer = made->packet;

	if (subject_run(made->prog_fd, made->name, &answer) != made->expect) {
		fprintf(stderr, "bench_dataplane: no SYN cookie was made\n");
		exit(1);
	}
	frame_set_cookie(&s->packet, frame_cookie(&answer));
}

static void before_run(struct subject *s)
{
	if (s->frame == FRAME_THIRD)
		renew_cookie(s);
}

/* $CASES: words, one of which its name has or that of one which runs its program; empty ones always. */
static bool wanted(const struct subject *s)
{
	char words[1024], *at = words, *word;
	size_t i;

	if (!getenv("CASES") || s->program <= SUBJECT_EMPTY_EGRESS)
		return true;
	snprintf(words, sizeof(words), "%s", getenv("CASES"));
	while ((word = strsep(&at, ", "))) {
		if (*word && strstr(s->name, word))
			return true;
		for (i = 0; *word && i < n_subjects; i++)
			if (strstr(subjects[i].name, word) && subjects[i].like &&
			    strcmp(subjects[i].like, s->name) == 0)
				return true;
	}
	return false;
}

static atomic_size_t next_subject;

static void *load_some(void *unused)
{
	size_t i;

	while ((i = atomic_fetch_add(&next_subject, 1)) < n_subjects)
		if (wanted(&subjects[i]))
			subject_load(&subjects[i]);
	return unused;
}

/* On all CPUs: the verifier takes most of it. */
static void load_all(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN), i;
	pthread_t threads[LOADERS_MAX];

	if (cpus > LOADERS_MAX)
		cpus = LOADERS_MAX;
	for (i = 0; i < cpus; i++) {
		errno = pthread_create(&threads[i], NULL, load_some, NULL);
		if (errno)
			fill_die("thread");
	}
	for (i = 0; i < cpus; i++)
		pthread_join(threads[i], NULL);
}

static void prepare(struct subject *s)
{
	uint32_t many = s->sources > s->flows ? s->sources : s->flows;
	struct frame syn;

	if (s->shows)
		subject_begin_nat(s);
	subject_put_front(s);
	/* Acknowledgements are only looked at once a SYN has found the guard on. */
	if (s->frame == FRAME_THIRD) {
		frame_build(FRAME_SYN_HOST, 0, &syn);
		subject_run(s->prog_fd, s->name, &syn);
	}
	before_run(s);
	/* A limit that refuses needs its burst spent first; caches and rows are warmed too. */
	measure(s, many > REPEAT / 10 ? many : REPEAT / 10, false);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* In empty programs of the same run. What a front costs beyond an empty program is not the subject's. */
static double ratio(const struct subject *s, int run)
{
	const struct subject *empty = subject_empty(s);
	double front = s->floor ? subject_named(s->floor)->ns[run] - empty->ns[run] : 0;

	return (s->ns[run] - front) / empty->ns[run];
}

static void report_row(FILE *json, const struct subject *s, const char *ratio_of, const char *unit,
		       const double *sorted)
{
	fprintf(json,
		"%s  {\"case\": \"%s%s\", \"subject\": \"%s\", \"unit\": \"%s\", "
		"\"min\": %.2f, \"median\": %.2f, \"max\": %.2f, \"runs\": %d}",
		ftell(json) > 2 ? ",\n" : "", s->name, ratio_of,
		subject_is_floor(s) ? "floor" : "sluice", unit, sorted[0], sorted[runs / 2],
		sorted[runs - 1], runs);
}

static void report_subject(FILE *json, const struct subject *s)
{
	double ns[SUBJECT_RUNS], x[SUBJECT_RUNS];
	int run;

	for (run = 0; run < runs; run++) {
		ns[run] = s->ns[run];
		x[run] = ratio(s, run);
	}
	qsort(ns, (size_t)runs, sizeof(double), by_value);
	qsort(x, (size_t)runs, sizeof(double), by_value);
	printf("%-26s %8.1f %8.1f %8.1f %8.2f %8.2f\n", s->name, ns[0], ns[runs / 2], ns[runs - 1],
	       x[0], x[runs / 2]);
	report_row(json, s, "", "ns/packet", ns);
	report_row(json, s, "-ratio", "x empty", x);
}

static void report(const char *folder)
{
	char path[4096];
	FILE *json;
	size_t i;

	snprintf(path, sizeof(path), "%s/dataplane.json", folder);
	json = fopen(path, "we");
	if (!json)
		fill_die(path);
	fprintf(json, "[\n");
	printf("%-26s %8s %8s %8s %8s %8s   ns/packet, %d runs of %d\n", "case", "min", "median",
	       "max", "x min", "x empty", runs, REPEAT);
	for (i = 0; i < n_subjects; i++)
		if (wanted(&subjects[i]))
			report_subject(json, &subjects[i]);
	if (scale_is_wanted())
		scale_report(json, runs);
	fprintf(json, "\n]\n");
	if (fclose(json))
		fill_die(path);
}

static void read_runs(void)
{
	const char *text = getenv("RUNS");
	int n = text ? atoi(text) : 0;

	if (n > 0 && n < SUBJECT_RUNS)
		runs = n;
}

int main(int argc, char **argv)
{
	double start = clock_ns(CLOCK_MONOTONIC);
	cpu_set_t one;
	size_t i;
	int run;

	read_runs();
	host_enter();
	load_all();
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof(one), &one);
	for (i = 0; i < n_subjects; i++)
		if (wanted(&subjects[i]))
			prepare(&subjects[i]);
	fprintf(stderr, "bench_dataplane: %zu programs and tables in %.1f s\n", n_subjects,
		(clock_ns(CLOCK_MONOTONIC) - start) / 1e9);
	for (run = 0; run < runs; run++) {
		for (i = 0; i < n_subjects; i++) {
			if (!wanted(&subjects[i]))
				continue;
			before_run(&subjects[i]);
			subjects[i].ns[run] = measure(&subjects[i], REPEAT, true);
		}
	}
	report(argc > 1 ? argv[1] : ".");
	return 0;
}
