/* SPDX-License-Identifier: BSD-2-Clause */
/* The judge among the maps, the log and the audit trail. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/log.h"
#include "bystander.h"
#include "dataplane/acl_map.h"
#include "dataplane/verdict_map.h"
#include "supervisor_state.h"

#define SWEEP_INTERVAL_MS    5000
#define WITHHELD_LINES_PER_S 10
#define PRESENCE_SAVE_MS     250

static bool is_allowed(const struct addr *source, void *ctx)
{
	const struct supervisor *s = ctx;

	return s->kernel.dp && acl_map_allows(s->kernel.dp, source);
}

static enum judge_presence is_present(const struct addr *source, uint32_t consumer,
				      uint64_t nat_memory_ms, uint64_t now_ns,
				      struct judge_bystander *ret, void *ctx)
{
	const struct supervisor *s = ctx;

	return bystander_find(s->memory.presence, s->pushdown.regions, source, consumer,
			      nat_memory_ms, now_ns, ret);
}

static int set_verdict(const struct prefix *source, enum verdict_action action,
		       enum verdict_reason reason, uint64_t until_ns, void *ctx)
{
	struct supervisor *s = ctx;
	struct verdict there;

	if (!s->kernel.dp)
		return -ENODEV;
	if (verdict_map_get(s->kernel.dp, source, &there) == 0 && there.action != VERDICT_NONE &&
	    there.reason == VERDICT_REASON_OPERATOR && there.until_ns > clock_now_ns())
		return -EEXIST;
	return verdict_map_set(s->kernel.dp, source, action, reason, until_ns);
}

/* Names are looked up for log lines only, which are few. */
static const char *consumer_name(const struct supervisor *s, uint32_t id)
{
	const struct revision *r = s->revision;

	for (size_t i = 0; id && i < r->conf->n_consumers; i++) {
		if (r->consumer_ids[i] == id)
			return r->conf->consumers[i].name;
	}
	return id ? "(removed)" : "";
}

static const char *reason_name(enum verdict_reason reason)
{
	static const char *const names[] = {
#define REASON_NAME(id, label, doc) label,
		VERDICT_REASONS(REASON_NAME)
#undef REASON_NAME
	};

	return reason < VERDICT_REASON_COUNT ? names[reason] : "unknown";
}

/* A botnet is refused everywhere at once: the log says so ten times a second, then how often. */
static bool may_log(struct pushdown *p)
{
	uint64_t now_s = clock_now_ns() / NS_PER_S;

	if (p->log_s != now_s)
		p->logged = 0;
	p->log_s = now_s;
	if (p->logged < WITHHELD_LINES_PER_S) {
		p->logged++;
		return true;
	}
	p->unlogged++;
	return false;
}

static json_t *describe(struct supervisor *s, const struct judge_ruling *r, const char *what)
{
	char source[ADDR_TEXT_MAX];
	json_t *event = json_pack(
		"{s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:I}", "type", what, "outcome",
		judge_outcome_name(r->outcome), "source", prefix_format(&r->source, source),
		"consumer", consumer_name(s, r->consumer), "action",
		r->action == VERDICT_DROP ? "drop" : "drop_new", "reason", reason_name(r->reason),
		"refusals", (json_int_t)r->refusals, "step", (json_int_t)r->step + 1, "ttl_s",
		(json_int_t)(r->ttl_ms / 1000));

	if (event && r->outcome == JUDGE_BYSTANDER) {
		json_object_set_new(event, "bystander",
				    json_string(consumer_name(s, r->bystander.consumer)));
		json_object_set_new(event, "seconds_ago",
				    json_integer((json_int_t)r->bystander.seconds_ago));
	}
	if (event && r->outcome != JUDGE_SET)
		json_object_set_new(event, "why", json_string(judge_outcome_text(r->outcome)));
	return event;
}

static void log_decided(struct supervisor *s, const struct judge_ruling *r, const char *what)
{
	char source[ADDR_TEXT_MAX];

	log_info(what, LOG_STR("source", prefix_format(&r->source, source)),
		 LOG_STR("consumer", consumer_name(s, r->consumer)),
		 LOG_STR("action", r->action == VERDICT_DROP ? "drop" : "drop_new"),
		 LOG_STR("reason", reason_name(r->reason)), LOG_U64("refusals", r->refusals),
		 LOG_U64("step", r->step + 1), LOG_U64("ttl_ms", r->ttl_ms));
}

static void log_withheld(struct supervisor *s, const struct judge_ruling *r, const char *what)
{
	char source[ADDR_TEXT_MAX];

	prefix_format(&r->source, source);
	if (r->outcome == JUDGE_BYSTANDER)
		log_info(what, LOG_STR("source", source),
			 LOG_STR("consumer", consumer_name(s, r->consumer)),
			 LOG_STR("cause", judge_outcome_name(r->outcome)),
			 LOG_STR("why", judge_outcome_text(r->outcome)),
			 LOG_STR("bystander", consumer_name(s, r->bystander.consumer)),
			 LOG_U64("seconds_ago", r->bystander.seconds_ago),
			 LOG_U64("unlogged", s->pushdown.unlogged));
	else
		log_info(what, LOG_STR("source", source),
			 LOG_STR("consumer", consumer_name(s, r->consumer)),
			 LOG_STR("cause", judge_outcome_name(r->outcome)),
			 LOG_STR("why", judge_outcome_text(r->outcome)), LOG_I64("error", r->error),
			 LOG_U64("unlogged", s->pushdown.unlogged));
	s->pushdown.unlogged = 0;
}

static void on_ruling(const struct judge_ruling *r, void *ctx)
{
	static const char *const words[JUDGE_OUTCOME_COUNT] = {
		[JUDGE_SET] = "verdict.set",
		[JUDGE_SHADOWED] = "verdict.shadow",
	};
	const char *what = words[r->outcome] ? words[r->outcome] : "verdict.withheld";
	struct supervisor *s = ctx;
	json_t *event;

	if (!words[r->outcome] && !may_log(&s->pushdown))
		return;
	if (words[r->outcome])
		log_decided(s, r, what);
	else
		log_withheld(s, r, what);
	event = describe(s, r, what);
	if (!event)
		return;
	if (r->outcome == JUDGE_SET)
		supervisor_audit(s, NULL, event);
	supervisor_emit(s, event, clock_now_ns());
}

static void on_sweep(struct timer *t)
{
	struct supervisor *s = container_of(t, struct supervisor, pushdown.sweep);
	int n = s->kernel.dp ? verdict_map_sweep(s->kernel.dp, clock_now_ns()) : 0;

	if (n < 0)
		log_warn("verdict.sweep", LOG_STR("error", strerror(-n)));
	timer_start(s->loop, t, SWEEP_INTERVAL_MS);
}

static void on_presence(struct timer *t)
{
	struct supervisor *s = container_of(t, struct supervisor, pushdown.presence);

	memory_save_presence(&s->memory);
	timer_start(s->loop, t, PRESENCE_SAVE_MS);
}

int pushdown_open(struct supervisor *s)
{
	const struct judge_env env = { is_allowed, is_present, set_verdict,
				       on_ruling,  s,	       s->memory.slots };
	struct pushdown *p = &s->pushdown;
	uint64_t seed[2];

	if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return -EIO;
	/* regions of more workers than there are now may remember, too */
	p->regions = bystander_regions(s->memory.presence, s->memory.n_regions);
	if (p->regions < s->memory.n_live)
		p->regions = s->memory.n_live;
	p->sweep.on_due = on_sweep;
	timer_start(s->loop, &p->sweep, SWEEP_INTERVAL_MS);
	p->presence.on_due = on_presence;
	timer_start(s->loop, &p->presence, PRESENCE_SAVE_MS);
	p->proposals.counters = s->memory.counters;
	return judge_new(&env, seed, &p->judge);
}

void pushdown_refusals(struct supervisor *s, uint32_t slot, struct worker_refusal *r, size_t n)
{
	const struct revision *rev = s->revision;
	struct pushdown *p = &s->pushdown;
	const uint64_t now_ns = clock_now_ns();

	if (proposals_know(&p->proposals, rev->number, rev->consumer_ids, rev->conf->n_consumers))
		log_error("pushdown.consumers", LOG_STR("error", strerror(ENOMEM)));
	n = proposals_check(&p->proposals, slot, r, n, now_ns);
	for (size_t i = 0; i < n; i++)
		judge_refused(p->judge, slot, &r[i].source, r[i].consumer,
			      (enum verdict_reason)r[i].reason, r[i].count, now_ns);
}
