/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When the key of the limits' rows changes: after its lifetime, or when an operator says so. What is
 * on its way is in the map; here is only when it may end. A rotation that a supervisor left behind
 * waits its whole time again: cells under the new key have been charged all along.
 */
#pragma once

#include <stdint.h>

#include "../dataplane/dataplane.h"

enum limit_rotation_cause {
	LIMIT_ROTATION_ADOPTED, /* found on its way at the start */
	LIMIT_ROTATION_LIFETIME,
	LIMIT_ROTATION_OPERATOR,
};

struct limit_rotation {
	uint64_t end_ns;   /* of the one on its way, CLOCK_MONOTONIC; 0: none that we know of */
	uint64_t since_ns; /* where the map does not know: since we look */
	enum limit_rotation_cause cause;
};

enum limit_rotation_step { LIMIT_ROTATION_IDLE, LIMIT_ROTATION_BEGUN, LIMIT_ROTATION_DONE };

/*
 * To be called once a second. lifetime_ms 0: never but by an operator. Returns enum
 * limit_rotation_step, or negative errno: it is tried again with the next call.
 */
int limit_rotation_tick(struct limit_rotation *r, struct dataplane *dp, uint64_t lifetime_ms,
			uint64_t now_ns);
/* Begin one now. 0; -EALREADY: one is on its way; negative errno. */
int limit_rotation_begin(struct limit_rotation *r, struct dataplane *dp,
			 enum limit_rotation_cause cause, uint64_t now_ns);
const char *limit_rotation_cause_name(enum limit_rotation_cause cause);
