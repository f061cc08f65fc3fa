/* SPDX-License-Identifier: BSD-2-Clause */
#include "fuzz.h"

#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lane_net.h"
#include "trace.h"
#include "world.h"

#define ROUND_PACKETS 5000
#define CHANGE_EVERY  100
#define SECOND_NS     1000000000ULL
#define THREADS_MAX   128
#define FILES_MAX     16384
/* Beside each other on a CPU: writing lists waits, and the counters of a lane are its own. */
#define THREADS_A_CPU 2

struct job {
	const struct fuzz_options *options;
	struct fuzz_result *result;
	pthread_mutex_t lock;
	uint64_t next; /* round */
};

struct worker {
	struct job *job;
	pthread_t thread;
	int cpu;
	/* By what is done with unknown transports: a setting is fixed when a program is loaded. */
	struct lane lane[PLANE_HOOKS][2];
	bool is_open[PLANE_HOOKS][2];
};

/*
 * What cmocka calls with the words of an assertion that fails. Its own keeps them for the test that runs,
 * and no test does in these threads: the process would end without a word.
 */
void cm_print_error(const char *format, ...);
void cm_print_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
}

/* The first round's seed is the one that was asked for, so that it can be run alone. */
static uint64_t round_seed(const struct job *job, uint64_t round)
{
	return round == 0 ? job->options->seed
			  : draw_from(job->options->seed + round * 0x632be59bd9b4e019ULL).state;
}

static void fail(struct worker *w, struct lane *l, uint64_t seed, uint64_t nth,
		 const struct frame *f)
{
	struct fuzz_result *r = w->job->result;
	uint32_t i;

	pthread_mutex_lock(&w->job->lock);
	if (!r->failed) {
		r->failed = true;
		r->hook = l->plane.hook;
		r->seed = seed;
		r->nth = nth;
		r->unknown_l4_drop = l->model.policy.unknown_l4_drop;
		memcpy(r->said, l->said, sizeof(r->said));
		for (i = 0; i < f->len; i++)
			sprintf(r->hex + 2 * i, "%02x", f->bytes[i]);
	}
	pthread_mutex_unlock(&w->job->lock);
}

/*
 * n packets of a round; the number of the packet after which something differed, or 0. *ret is that
 * packet as it came.
 */
static uint64_t play(struct lane *l, uint64_t seed, uint64_t n, uint32_t every, struct frame *ret)
{
	struct draw d = draw_from(seed);
	struct lane_packet p = { .now_ns = SECOND_NS + draw_64(&d) % (86400 * 50 * SECOND_NS) };
	uint64_t i;
	bool changes;

	world_make(&d, p.now_ns, &l->model.policy);
	lane_begin(l);
	for (i = 1; i <= n; i++) {
		trace_next(&d, l, &p);
		*ret = p.frame;
		changes = i % CHANGE_EVERY == 0;
		if (!lane_run(l, &p) || ((i % every == 0 || i == n) && !lane_check_counters(l)) ||
		    ((changes || every == 1 || i == n) && !lane_check_state(l)))
			return i;
		if (!changes)
			continue;
		lane_change(&d, l, p.now_ns);
	}
	return 0;
}

/* Counters are compared now and then: once more, after each packet, to find which one it was. */
static void play_checked(struct worker *w, struct lane *l, uint64_t seed, uint64_t n)
{
	static _Thread_local struct frame f;
	uint64_t nth = play(l, seed, n, w->job->options->every, &f), exact;

	if (nth == 0)
		return;
	exact = play(l, seed, nth, 1, &f);
	fail(w, l, seed, exact ? exact : nth, &f);
}

/* Opened when a round needs it: loading a program takes a tenth of a second. */
static struct lane *lane_of(struct worker *w, enum plane_hook hook, bool unknown_l4_drop)
{
	struct lane *l = &w->lane[hook][unknown_l4_drop];

	if (!w->is_open[hook][unknown_l4_drop]) {
		pthread_mutex_lock(&w->job->lock);
		lane_open(l, hook, unknown_l4_drop, w->job->options->planted);
		pthread_mutex_unlock(&w->job->lock);
		w->is_open[hook][unknown_l4_drop] = true;
	}
	return l;
}

static void close_lanes(struct worker *w)
{
	enum plane_hook hook;
	uint32_t drop;

	for (hook = PLANE_XDP; hook < PLANE_HOOKS; hook++) {
		for (drop = 0; drop < 2; drop++) {
			if (w->is_open[hook][drop])
				lane_close(&w->lane[hook][drop]);
		}
	}
}

static void add_up_nat(struct fuzz_result *r, const struct lane *l)
{
	uint32_t i, word;

	for (i = 0; i < MODEL_BACKENDS; i++) {
		const __u64 *now = (const __u64 *)&l->model.counters.nat[i];
		const __u64 *begin = (const __u64 *)&l->begin.nat[i];

		for (word = 0; word < sizeof(r->nat) / 8; word++)
			((__u64 *)&r->nat)[word] += now[word] - begin[word];
	}
}

/* What the round's packets met. */
static void add_up(struct fuzz_result *r, const struct lane *l)
{
	const struct model_counters *c = &l->model.counters, *begin = &l->begin;
	uint32_t i, unit;

	for (i = 0; i < DROP_REASON_COUNT; i++)
		r->dropped[i] += c->drop[i].packets - begin->drop[i].packets;
	for (i = 0; i < STATS_ACTIONS; i++)
		r->action[i] += c->action[i].packets - begin->action[i].packets;
	for (i = 0; i < MODEL_CLASSES; i++) {
		r->marked += c->limit[i].marked.packets - begin->limit[i].marked.packets;
		r->admitted += c->limit[i].admitted.packets - begin->limit[i].admitted.packets;
		for (unit = 0; unit < LIMIT_UNITS; unit++)
			r->would_drop += c->limit[i].would_drop[unit].packets -
					 begin->limit[i].would_drop[unit].packets;
	}
	for (i = 0; i < MODEL_VIPS; i++) {
		r->quic[0] += c->quic[i].routed - begin->quic[i].routed;
		r->quic[1] += c->quic[i].unroutable - begin->quic[i].unroutable;
		r->quic[2] += c->quic[i].unknown - begin->quic[i].unknown;
	}
	r->captured += l->captures_seen;
	r->echoed += l->echoed;
	r->too_big += l->too_big;
	r->nat_errors += l->nat_errors;
	r->nat_moved += l->nat_moved;
	r->nat_lost += l->nat_lost;
	r->quic_encrypted += l->quic_encrypted;
	add_up_nat(r, l);
	r->sampled += l->samples_seen;
	for (i = 0; i < MODEL_VIPS * GUARD_COUNT_COUNT; i++)
		r->guarded[i / MODEL_VIPS] += c->guard[i % MODEL_VIPS].packets[i / MODEL_VIPS] -
					      begin->guard[i % MODEL_VIPS].packets[i / MODEL_VIPS];
}

static void play_hook(struct worker *w, enum plane_hook hook, uint64_t seed, uint64_t n)
{
	struct fuzz_result *r = w->job->result;
	struct lane *l = lane_of(w, hook, seed >> 8 & 1);

	play_checked(w, l, seed, n);
	pthread_mutex_lock(&w->job->lock);
	r->packets[hook] += n;
	add_up(r, l);
	pthread_mutex_unlock(&w->job->lock);
}

/* The next round, 0: no more; *n its packets. */
static bool take_round(struct job *job, uint64_t *round, uint64_t *n)
{
	uint64_t first;

	pthread_mutex_lock(&job->lock);
	*round = job->next;
	first = *round * ROUND_PACKETS;
	*n = job->result->failed || first >= job->options->packets ? 0
								   : job->options->packets - first;
	job->next++;
	pthread_mutex_unlock(&job->lock);
	if (*n > ROUND_PACKETS)
		*n = ROUND_PACKETS;
	return *n != 0;
}

static void *work(void *at)
{
	struct worker *w = at;
	uint64_t round, n, seed;
	enum plane_hook hook;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)w->cpu, &set);
	if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set))
		abort();
	while (take_round(w->job, &round, &n)) {
		seed = round_seed(w->job, round);
		for (hook = PLANE_XDP; hook < PLANE_HOOKS; hook++) {
			if (w->job->options->hooks >> hook & 1)
				play_hook(w, hook, seed, n);
		}
		__atomic_fetch_add(&w->job->result->rounds, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Each lane has a hundred maps or more, twice with the program that explains. */
static void allow_many_files(void)
{
	const struct rlimit many = { FILES_MAX, FILES_MAX };
	struct rlimit own;

	if (getrlimit(RLIMIT_NOFILE, &own))
		abort();
	own.rlim_cur = own.rlim_max;
	/* Who may not raise the hard limit has to do with it. */
	if ((own.rlim_max >= FILES_MAX || setrlimit(RLIMIT_NOFILE, &many)) &&
	    setrlimit(RLIMIT_NOFILE, &own))
		abort();
}

void fuzz_run(const struct fuzz_options *options, struct fuzz_result *ret)
{
	struct job job = { .options = options, .result = ret };
	long cpus = sysconf(_SC_NPROCESSORS_ONLN), n = cpus * THREADS_A_CPU, i;
	struct worker *workers;
	struct lane_net net;

	allow_many_files();
	lane_net_open(&net);
	memset(ret, 0, sizeof(*ret));
	pthread_mutex_init(&job.lock, NULL);
	if (options->threads)
		n = options->threads;
	if (n > THREADS_MAX)
		n = THREADS_MAX;
	workers = calloc((size_t)n, sizeof(*workers));
	if (!workers)
		abort();
	for (i = 0; i < n; i++) {
		workers[i].job = &job;
		workers[i].cpu = (int)(i % cpus);
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			abort();
	}
	for (i = 0; i < n; i++)
		pthread_join(workers[i].thread, NULL);
	for (i = 0; i < n; i++)
		close_lanes(&workers[i]);
	free(workers);
	lane_net_close(&net);
	pthread_mutex_destroy(&job.lock);
}
