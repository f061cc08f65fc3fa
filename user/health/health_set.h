/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside of health: shared by health.c and health_vip.c. */
#pragma once

#include "health.h"

struct health_vip;

struct health_target {
	struct health *set;
	struct health_vip *vip;
	struct addr addr;
	uint16_t port;
	size_t index;  /* in the configuration's backends */
	bool eligible; /* has weight, and is not drained */
	bool taken;    /* by the next configuration, while that is built */
	struct health_state state;
	struct timer timer;
	struct deferred failed; /* a probe that could not begin */
	int failed_errno;
	struct health_probe *probe; /* on its way */
	struct health_target *next; /* waiting for a place among those */
	bool waiting;
	uint64_t begun_ms;
	uint64_t latency_us;
	uint32_t share; /* as told */
	bool held;
	char error[HEALTH_ERROR_BYTES];
	uint64_t transitions;
	uint64_t probes[HEALTH_RESULTS];
};

struct health_vip {
	char *name;
	size_t index;
	struct health_vip *old;	    /* of before, while the next configuration is built */
	struct health_check *check; /* with its address: probes refer to it */
	bool blind;		    /* no authorities to check certificates by: not probed */
	struct health_rules rules;
	uint64_t interval_ms;
	uint32_t jitter_percent;
	enum conf_all_down all_down;
	struct health_target **targets; /* in the order of the configuration */
	size_t n_targets;
};

struct health {
	struct loop *loop;
	struct health_events events;
	struct health_vip *vips; /* those with checks */
	size_t n_vips;
	size_t *place; /* by place in the configuration: in vips, or SIZE_MAX */
	size_t n_places;
	struct health_target *waiting, **waiting_end;
	size_t n_running;
	uint64_t delayed;
	uint64_t random;
	struct timer step; /* of slow starts */
};

/* health.c: begin probing, within delay_ms; end it. */
void health_target_start(struct health_target *t, uint64_t within_ms);
void health_target_stop(struct health_target *t);
void health_target_free(struct health_target *t); /* stopped */
uint64_t health_now_ms(const struct health *h);

/* health_vip.c: what share each backend of the vip has by now; changes are told, or all are. */
void health_vip_share(struct health_vip *v, bool all);
/* Is any of them within its slow start? */
bool health_vip_is_slow(const struct health_vip *v);
void health_vip_clear(struct health_vip *v); /* its targets aside */
/*
 * A vip of conf with the targets of those before that it has in common with one of old (NULL: none);
 * they are marked taken, not changed otherwise. health_vip_begin makes it true.
 */
int health_vip_init(struct health *h, const struct conf_vip *conf, size_t index,
		    struct health_vip *old, const struct health_source *source,
		    struct health_vip *ret, struct errmsg *warning);
void health_vip_begin(struct health_vip *v, const struct conf_vip *conf,
		      const struct health_source *source);
