/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_dataplane [--seed S] [--packets N] [--hook xdp|tc] [--every N] [--planted N]
 *
 * Random policies and packets through the reference model and BPF_PROG_TEST_RUN. Says what it did, or
 * the first packet of which they disagree and how to see it again.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fuzz.h"
#include "race.h"

static void usage(void)
{
	fputs("usage: fuzz_dataplane [--seed S] [--packets N] [--hook xdp|tc] [--every N]"
	      " [--planted N]\n",
	      stderr);
	exit(2);
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t n = strtoull(text, &end, 0);

	if (*end || end == text)
		usage();
	return n;
}

static void options_of(int argc, char **argv, struct fuzz_options *o)
{
	static const struct option known[] = {
		{ "seed", 1, NULL, 's' },  { "packets", 1, NULL, 'n' }, { "hook", 1, NULL, 'h' },
		{ "every", 1, NULL, 'e' }, { "planted", 1, NULL, 'p' }, { 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 's')
			o->seed = number(optarg);
		else if (c == 'n')
			o->packets = number(optarg);
		else if (c == 'e')
			o->every = (uint32_t)number(optarg);
		else if (c == 'p')
			o->planted = (uint32_t)number(optarg);
		else if (c == 'h' && strcmp(optarg, "xdp") == 0)
			o->hooks = 1 << PLANE_XDP;
		else if (c == 'h' && strcmp(optarg, "tc") == 0)
			o->hooks = 1 << PLANE_TC;
		else
			usage();
	}
	if (optind != argc || o->every == 0 || (o->planted && o->hooks != 1 << PLANE_XDP))
		usage();
}

static const char *const reasons[] = {
#define REASON_LABEL(id, label, doc) label,
	DROP_REASONS(REASON_LABEL)
#undef REASON_LABEL
};

static const char *const guarded[] = {
#define GUARD_LABEL(id, label, doc) label,
	GUARD_COUNTS(GUARD_LABEL)
#undef GUARD_LABEL
};

/* How much of what can happen did happen. */
static void print_reached(const struct fuzz_result *r)
{
	uint32_t i;

	printf("pass %llu, forward %llu, limits admitted %llu, would have dropped %llu\n",
	       (unsigned long long)r->action[STATS_PASS],
	       (unsigned long long)r->action[STATS_FORWARD], (unsigned long long)r->admitted,
	       (unsigned long long)r->would_drop);
	printf("way out: pass %llu, drop %llu, marked %llu\n",
	       (unsigned long long)r->action[STATS_EGRESS_PASS],
	       (unsigned long long)r->action[STATS_EGRESS_DROP], (unsigned long long)r->marked);
	printf("answered: echo %llu, too big %llu\n", (unsigned long long)r->echoed,
	       (unsigned long long)r->too_big);
	printf("nat: opened %llu, ended %llu, expired %llu, exhausted %llu, full %llu, answers %llu,"
	       " errors %llu; flows that changes of size moved %llu, lost %llu\n",
	       (unsigned long long)r->nat.opened, (unsigned long long)r->nat.ended,
	       (unsigned long long)r->nat.expired, (unsigned long long)r->nat.exhausted,
	       (unsigned long long)r->nat.full, (unsigned long long)r->nat.answer_packets,
	       (unsigned long long)r->nat_errors, (unsigned long long)r->nat_moved,
	       (unsigned long long)r->nat_lost);
	printf("captured %llu, samples of heavy hitters compared %llu\n",
	       (unsigned long long)r->captured, (unsigned long long)r->sampled);
	printf("quic: routed %llu, %llu of them by encrypted ids, unroutable %llu, unknown %llu\n",
	       (unsigned long long)r->quic[0], (unsigned long long)r->quic_encrypted,
	       (unsigned long long)r->quic[1], (unsigned long long)r->quic[2]);
	printf("guard: ");
	for (i = 1; i < GUARD_COUNT_COUNT; i++)
		printf("%s %llu%s", guarded[i], (unsigned long long)r->guarded[i],
		       i + 1 < GUARD_COUNT_COUNT ? ", " : "\n");
	for (i = 1; i < DROP_REASON_COUNT; i++)
		printf("%s %llu%s", reasons[i], (unsigned long long)r->dropped[i],
		       i + 1 < DROP_REASON_COUNT ? ", " : "\n");
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* As many packets of each of two CPUs as of a hook; false: something does not hold. */
static bool race(const struct fuzz_options *o, enum plane_hook hook)
{
	const struct race_options options = { .seed = o->seed,
					      .packets = o->packets,
					      .hook = hook };
	struct race_result r = { 0 };

	if (!(o->hooks >> hook & 1) || o->planted)
		return true;
	race_run(&options, &r);
	if (r.failed)
		printf("%s, two CPUs at once: %s\n", plane_hook_name[hook], r.said);
	else
		printf("%s, two CPUs at once: %llu flows began, %llu were one too many\n",
		       plane_hook_name[hook], (unsigned long long)r.opened,
		       (unsigned long long)r.refused);
	return !r.failed;
}

int main(int argc, char **argv)
{
	struct fuzz_options o = { .packets = 300000,
				  .hooks = 1 << PLANE_XDP | 1 << PLANE_TC,
				  .every = 64 };
	static struct fuzz_result r;
	double begin = seconds();

	o.seed = (uint64_t)time(NULL);
	options_of(argc, argv, &o);
	fuzz_run(&o, &r);
	if (r.failed) {
		printf("%s: %s\npacket: %s\nagain: fuzz_dataplane --hook %s --seed %#llx --packets %llu"
		       " --every 1\n",
		       plane_hook_name[r.hook], r.said, r.hex, plane_hook_name[r.hook],
		       (unsigned long long)r.seed, (unsigned long long)r.nth);
		return 1;
	}
	printf("seed %#llx: %llu packets on xdp and %llu on tc, %llu policies, no difference, %.0f s\n",
	       (unsigned long long)o.seed, (unsigned long long)r.packets[PLANE_XDP],
	       (unsigned long long)r.packets[PLANE_TC], (unsigned long long)r.rounds,
	       seconds() - begin);
	print_reached(&r);
	return !race(&o, PLANE_XDP) || !race(&o, PLANE_TC);
}
