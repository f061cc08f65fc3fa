/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table: 8,192 sets of 8 rows, a set chosen by a keyed hash, so that nobody can aim at one and
 * every look-up is bounded. A full set gives away the row that was quiet longest, one without a
 * running verdict first.
 */
#include "judge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/clock.h"
#include "sluice/algo/siphash.h"

#define SETS	       (JUDGE_SOURCES_MAX / JUDGE_WAYS)
#define BUDGET_SECONDS 61U /* any 60 s lie within 61 whole ones */

struct row {
	struct addr source;
	uint32_t consumer;
	uint8_t level; /* steps climbed */
	uint8_t reason;
	bool used;
	bool mixed;	/* refusals of more than one consumer in this window */
	uint64_t slice; /* number of the slice that count[slice % n] is for */
	uint32_t count[JUDGE_SLICES];
	uint64_t last_ns;  /* refusal */
	uint64_t ruled_ns; /* the last verdict */
	uint64_t until_ns; /* its end */
	uint64_t quiet_ns; /* without refusals after until_ns that takes one step down */
	uint64_t logged_ns;
};

/* Verdicts of the last minute, by second. */
struct budget {
	uint32_t verdicts[BUDGET_SECONDS];
	uint64_t second;
};

struct judge {
	struct judge_env env;
	const struct conf_pushdown *conf;
	uint64_t seed[2];
	uint64_t outcomes[JUDGE_OUTCOME_COUNT];
	uint64_t evicted;
	uint32_t used;
	struct budget budget, share[JUDGE_WORKERS_MAX]; /* of all; of what a worker said */
	struct row row[SETS][JUDGE_WAYS];
};

const char *judge_outcome_name(enum judge_outcome o)
{
	static const char *const names[] = {
#define OUTCOME_NAME(id, label, doc) label,
		JUDGE_OUTCOMES(OUTCOME_NAME)
#undef OUTCOME_NAME
	};

	return names[o];
}

const char *judge_outcome_text(enum judge_outcome o)
{
	static const char *const texts[] = {
#define OUTCOME_TEXT(id, label, doc) doc,
		JUDGE_OUTCOMES(OUTCOME_TEXT)
#undef OUTCOME_TEXT
	};

	return texts[o];
}

int judge_new(const struct judge_env *env, const uint64_t seed[2], struct judge **ret)
{
	struct judge *j = calloc(1, sizeof(*j)); /* 7 MB of zero pages, touched as sources come */

	if (!j)
		return -ENOMEM;
	j->env = *env;
	memcpy(j->seed, seed, sizeof(j->seed));
	*ret = j;
	return 0;
}

void judge_free(struct judge *j)
{
	free(j);
}

void judge_configure(struct judge *j, const struct conf_pushdown *conf)
{
	j->conf = conf;
}

static struct row *set_of(struct judge *j, const struct addr *source)
{
	const __u64 key[2] = { j->seed[0], j->seed[1] };
	uint64_t words[2];
	struct siphash h;

	memcpy(words, source, sizeof(words));
	siphash_init(&h, key);
	siphash_word(&h, words[0], 1);
	siphash_word(&h, words[1], 1);
	return j->row[siphash_end(&h, 3) % SETS];
}

/* Whether a should be kept rather than b. */
static bool dearer(const struct row *a, const struct row *b, uint64_t now_ns)
{
	const bool a_runs = a->until_ns > now_ns, b_runs = b->until_ns > now_ns;

	return a_runs != b_runs ? a_runs : a->last_ns > b->last_ns;
}

static struct row *find(struct judge *j, const struct addr *source, uint64_t now_ns)
{
	struct row *set = set_of(j, source), *victim = &set[0];

	for (size_t i = 0; i < JUDGE_WAYS; i++) {
		if (set[i].used && addr_eq(&set[i].source, source))
			return &set[i];
	}
	for (size_t i = 1; i < JUDGE_WAYS && victim->used; i++) {
		if (!set[i].used || dearer(victim, &set[i], now_ns))
			victim = &set[i];
	}
	if (!victim->used)
		j->used++;
	else if (victim->until_ns > now_ns ||
		 now_ns - victim->last_ns < j->conf->window_ms * NS_PER_MS)
		j->evicted++;
	*victim = (struct row) { .source = *source, .used = true };
	return victim;
}

/* Forget the slices that have left the window; the sum of the others. */
static uint32_t slide(struct row *r, uint64_t slice)
{
	uint64_t gone = slice - r->slice, sum = 0;

	if (gone > JUDGE_SLICES)
		gone = JUDGE_SLICES;
	for (uint64_t i = 0; i < gone; i++)
		r->count[(slice - i) % JUDGE_SLICES] = 0;
	r->slice = slice;
	for (size_t i = 0; i < JUDGE_SLICES; i++)
		sum += r->count[i];
	return sum < UINT32_MAX ? (uint32_t)sum : UINT32_MAX;
}

static void cool_down(struct row *r, uint64_t now_ns)
{
	uint64_t since = r->until_ns > r->last_ns ? r->until_ns : r->last_ns;

	/* one that is still refused comes back to an old step only after the quiet */
	while (r->level && r->quiet_ns && now_ns > since && now_ns - since >= r->quiet_ns) {
		r->level--;
		since += r->quiet_ns;
	}
}

static void note_consumer(struct row *r, uint32_t consumer, bool first)
{
	if (first) {
		r->consumer = consumer;
		r->mixed = false;
	} else if (!r->consumer) {
		r->consumer = consumer;
	} else if (consumer && consumer != r->consumer) {
		r->mixed = true;
	}
}

static uint64_t budget_used(struct budget *b, uint64_t now_ns)
{
	uint64_t now_s = now_ns / NS_PER_S, sum = 0;

	if (now_s - b->second >= BUDGET_SECONDS)
		memset(b->verdicts, 0, sizeof(b->verdicts));
	for (uint64_t s = b->second + 1; s <= now_s && now_s - b->second < BUDGET_SECONDS; s++)
		b->verdicts[s % BUDGET_SECONDS] = 0;
	b->second = now_s;
	for (size_t i = 0; i < BUDGET_SECONDS; i++)
		sum += b->verdicts[i];
	return sum;
}

/* SET, or which budget is used up. */
static enum judge_outcome weigh_budget(struct judge *j, uint32_t worker, uint64_t now_ns)
{
	const uint64_t max = j->conf->max_per_minute;

	/* both are asked, so that both have slid on to now when the verdict is charged */
	const uint64_t share = budget_used(&j->share[worker], now_ns);

	if (budget_used(&j->budget, now_ns) >= max)
		return JUDGE_BUDGET;
	return j->env.workers > 1 && share >= max - max / 2 ? JUDGE_SHARE : JUDGE_SET;
}

/* The first rule that forbids a verdict, or SET. */
static enum judge_outcome weigh(struct judge *j, const struct row *r, uint32_t worker,
				uint64_t now_ns, struct judge_ruling *ruling)
{
	void *ctx = j->env.ctx;

	for (size_t i = 0; i < j->conf->n_trusted; i++) {
		if (prefix_contains(&j->conf->trusted[i], &r->source))
			return JUDGE_TRUSTED;
	}
	if (j->env.allowed(&r->source, ctx))
		return JUDGE_ALLOWED;
	switch (j->env.present(&r->source, ruling->consumer, j->conf->nat_memory_ms, now_ns,
			       &ruling->bystander, ctx)) {
	case JUDGE_NOT_ALONE:
		return JUDGE_BYSTANDER;
	case JUDGE_UNKNOWN:
		return JUDGE_UNCERTAIN;
	case JUDGE_ALONE:
		break;
	}
	return weigh_budget(j, worker, now_ns);
}

static enum judge_outcome enforce(struct judge *j, struct judge_ruling *ruling, uint64_t until_ns)
{
	int ret;

	if (j->conf->mode == CONF_SHADOW)
		return JUDGE_SHADOWED;
	ret = j->env.set(&ruling->source, ruling->action, ruling->reason, until_ns, j->env.ctx);
	ruling->error = ret;
	if (ret == -EEXIST)
		return JUDGE_OPERATOR;
	if (ret == -ENOSPC)
		return JUDGE_FULL;
	return ret ? JUDGE_FAILED : JUDGE_SET;
}

static void climb(struct judge *j, struct row *r, uint32_t worker,
		  const struct judge_ruling *ruling, uint64_t until_ns, uint64_t now_ns)
{
	uint64_t ttl_ns = ruling->ttl_ms * NS_PER_MS, window_ns = j->conf->window_ms * NS_PER_MS;

	r->ruled_ns = now_ns;
	r->until_ns = until_ns;
	r->quiet_ns = ttl_ns > window_ns ? ttl_ns : window_ns;
	if (r->level < UINT8_MAX)
		r->level++;
	j->budget.verdicts[now_ns / NS_PER_S % BUDGET_SECONDS]++;
	j->share[worker].verdicts[now_ns / NS_PER_S % BUDGET_SECONDS]++;
}

static void rule(struct judge *j, struct row *r, uint32_t worker, uint32_t refusals,
		 uint64_t now_ns)
{
	const struct conf_pushdown *conf = j->conf;
	const size_t step = r->level < conf->n_steps ? r->level : conf->n_steps - 1;
	struct judge_ruling ruling = {
		.source = { addr_is_v4(&r->source) ? 128 : 64, r->source },
		.consumer = r->mixed ? 0 : r->consumer,
		.refusals = refusals,
		.step = (uint32_t)step,
		.action = conf->steps[step].action,
		.reason = r->reason,
		.ttl_ms = conf->steps[step].ttl_ms,
	};
	uint64_t until_ns = now_ns + ruling.ttl_ms * NS_PER_MS;
	bool decided;

	if (until_ns < r->until_ns) /* a higher step never shortens a lower one */
		until_ns = r->until_ns;
	ruling.outcome = weigh(j, r, worker, now_ns, &ruling);
	if (ruling.outcome == JUDGE_SET)
		ruling.outcome = enforce(j, &ruling, until_ns);
	j->outcomes[ruling.outcome]++;
	decided = ruling.outcome == JUDGE_SET || ruling.outcome == JUDGE_SHADOWED;
	if (decided)
		climb(j, r, worker, &ruling, until_ns, now_ns);
	else if (r->logged_ns && now_ns - r->logged_ns < conf->window_ms * NS_PER_MS)
		return;
	else
		r->logged_ns = now_ns;
	j->env.on_ruling(&ruling, j->env.ctx);
}

void judge_refused(struct judge *j, uint32_t worker, const struct addr *source, uint32_t consumer,
		   enum verdict_reason reason, uint32_t count, uint64_t now_ns)
{
	const struct conf_pushdown *conf = j->conf;
	struct addr unit = addr_unit(source);
	uint64_t slice_ns;
	uint32_t sum;
	struct row *r;

	if (!conf || conf->mode == CONF_OFF || !conf->n_steps || !conf->refusals || !count ||
	    worker >= JUDGE_WORKERS_MAX)
		return;
	slice_ns = conf->window_ms * NS_PER_MS / JUDGE_SLICES;
	r = find(j, &unit, now_ns);
	if (r->ruled_ns && now_ns - r->ruled_ns < JUDGE_SETTLE_MS * NS_PER_MS)
		return;
	cool_down(r, now_ns);
	sum = slide(r, now_ns / (slice_ns ? slice_ns : 1));
	note_consumer(r, consumer, sum == 0);
	r->count[r->slice % JUDGE_SLICES] += count < UINT16_MAX ? count : UINT16_MAX;
	sum += count < UINT16_MAX ? count : UINT16_MAX;
	r->reason = (uint8_t)reason;
	r->last_ns = now_ns;
	if (sum < conf->refusals)
		return;
	memset(r->count, 0, sizeof(r->count));
	rule(j, r, worker, sum, now_ns);
}

uint64_t judge_outcomes(const struct judge *j, enum judge_outcome o)
{
	return j->outcomes[o];
}

uint32_t judge_sources(const struct judge *j)
{
	return j->used;
}

uint64_t judge_evicted(const struct judge *j)
{
	return j->evicted;
}
