/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One chain of policies per route, in a fixed order: identify, authorise, limit. A policy sees the
 * request and the facts found so far, and answers; policies never see each other. Compiled per
 * snapshot, read-only afterwards.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../base/str.h"
#include "../conf/conf.h"
#include "../http/message.h"
#include "sluice/abi/verdict.h"
#include "termination.h"

enum policy_answer {
	POLICY_CONTINUE,
	POLICY_RESPOND, /* policy_exchange.refusal says with what */
	POLICY_WAIT,	/* asynchronous policies: resume later */
};

/* A consumer as the chain knows it: found by the SHA-256 of its key. */
struct policy_consumer {
	const struct conf_consumer *conf;
	const struct conf_plan *plan;
	uint32_t id;		      /* stable over revisions and workers */
	const uint32_t *meter_slot;   /* by index of the plan's limit */
	const struct gcra_rate *rate; /* the same */
	uint64_t *overflow;	      /* the same: what a limit without a slot spends */
};

struct policy_refusal {
	enum termination end;
	uint16_t status; /* 401, 403, 429 */
	const char *title;
	const char *code; /* termination code of log and header: "key_missing", … */
	const char *detail;
	const char *limit; /* 429: name of the limit that refuses longest */
	/* 429: all limits that refused */
	const char *violated[CONF_PLAN_LIMITS_MAX];
	uint32_t n_violated;
	uint64_t retry_after_s;	    /* 429: never earlier than the bucket */
	enum verdict_reason reason; /* OPERATOR: not a reason for a verdict (403) */
};

/* One request on its way down the chain. */
struct policy_exchange {
	const struct http_head *request;
	uint64_t *meters; /* shared words */
	uint32_t n_meters;
	uint64_t now_ns; /* 0: the policy that needs a clock reads it itself */
	/* facts, filled by policies */
	const struct policy_consumer *consumer;
	bool strip_key; /* the key's field is not forwarded */
	struct str key_field;
	bool shadowed; /* mode shadow let through what enforce refuses */
	/* RateLimit fields of the answer: of the limit with the least left; NULL: none */
	const struct conf_plan_limit *nearest;
	uint64_t nearest_remaining;
	uint64_t nearest_reset_s;
	struct policy_refusal refusal;
};

struct policy_chain; /* of one route */
struct policy_set;   /* consumers and plans of one snapshot, shared by its chains */

/* consumer_ids, meter_slots: see struct gateway_revision. */
int policy_set_new(const struct conf *conf, const uint32_t *consumer_ids,
		   const uint32_t *meter_slots, struct policy_set **ret);
void policy_set_free(struct policy_set *s);

int policy_chain_new(const struct policy_set *set, const struct conf_route *route,
		     struct policy_chain **ret);
void policy_chain_free(struct policy_chain *c);
enum policy_answer policy_chain_run(const struct policy_chain *c, struct policy_exchange *x);
