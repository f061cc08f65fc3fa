/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Active health checks of the backends of vips: who is probed when, and what share of its weight each
 * has for it. One loop, a timer per backend, at most HEALTH_PROBES_MAX probes at a time; the rest
 * waits in order. Whoever owns it carries shares to the rings.
 */
#pragma once

#include "../base/errmsg.h"
#include "../conf/conf.h"
#include "../event/loop.h"
#include "health_probe.h"
#include "health_state.h"

#define HEALTH_PROBES_MAX  1024
#define HEALTH_ERROR_BYTES 128

struct health;

/* Of one backend, for people and metrics. */
struct health_info {
	enum health_status status;
	bool slow; /* up, and not at its whole weight yet */
	bool held; /* down, and in the ring: all are down, and it was among the last */
	uint32_t share;
	uint32_t passed, failed, flaps, rise;
	uint64_t changed_ms;  /* CLOCK_MONOTONIC */
	uint64_t latency_us;  /* of the last probe; 0: none yet */
	const char *error;    /* of the last that failed; "": none did */
	uint64_t transitions; /* between up and down */
	uint64_t probes[HEALTH_RESULTS];
};

/* Backends by their places in the configuration of the last health_apply. */
struct health_events {
	/* share changed, 0..HEALTH_SHARE_FULL. */
	void (*on_share)(void *ctx, size_t vip, size_t backend, uint32_t share);
	/* It went up or down; why is what the last failure was. */
	void (*on_change)(void *ctx, size_t vip, size_t backend, bool up, const char *why);
	void *ctx;
	/* How its next probe goes; false, or no such function: to its own address. */
	bool (*way)(void *ctx, size_t vip, size_t backend, struct health_way *ret);
};

/* How the owner helps with what is outside of a configuration. */
struct health_source {
	/* The file of authorities; negative errno and *err. */
	int (*read)(const char *path, char **ret, size_t *ret_len, struct errmsg *err);
	/* The share that a backend has in its ring now. */
	uint32_t (*share)(void *ctx, size_t vip, size_t backend);
	void *ctx;
};

int health_new(struct loop *l, const struct health_events *events, struct health **ret);
void health_free(struct health *h); /* NULL is fine */

/*
 * Probe what conf says. A backend (by vip and address) whose checks are the same goes on as it was, the
 * probe on its way included; others begin with the share that source says. All shares are told again.
 * Without authorities the backends of a vip are not probed, and stay as they are; *warning says so.
 * 0, or -ENOMEM: all is as it was.
 */
int health_apply(struct health *h, const struct conf *conf, const struct health_source *source,
		 struct errmsg *warning);
/* The authorities that conf names: an error at the place of each file that cannot be used. */
void health_check_files(const struct conf *conf, const struct health_source *source,
			struct conf_errors *errors);
/* False: it is not checked. */
bool health_get(const struct health *h, size_t vip, size_t backend, struct health_info *ret);
/* Probes that had to wait for others, and those on their way. */
uint64_t health_delayed(const struct health *h);
size_t health_running(const struct health *h);
