/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What results of probes make of a backend. No clock, no sockets: time is an argument.
 *
 * Damping: who fails again within HEALTH_FORGET_MS of coming up has to pass twice as often as the
 * last time before it is up again, at most 2^HEALTH_FLAPS_MAX times `rise`.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define HEALTH_SHARE_FULL 100 /* of the configured weight */
#define HEALTH_SHARE_STEP 10
#define HEALTH_FORGET_MS  (10ULL * 60 * 1000)
#define HEALTH_FLAPS_MAX  5

enum health_status {
	HEALTH_UNKNOWN, /* nothing that decides yet: as it was found */
	HEALTH_UP,
	HEALTH_DOWN,
};

struct health_rules {
	uint32_t rise;
	uint32_t fall;
	uint64_t slow_start_ms;
};

struct health_state {
	enum health_status status;
	uint32_t found_share; /* while UNKNOWN: what it had before anybody looked */
	uint32_t lost_share;  /* while DOWN: what it had when it failed; 0: it was never up */
	uint32_t passed;      /* in a row */
	uint32_t failed;
	uint32_t flaps; /* failures, each within HEALTH_FORGET_MS of the recovery before */
	uint64_t changed_ms;
	uint64_t slow_from_ms; /* UP: when its slow start began, or would have */
	bool slow;	       /* UP: not at its whole weight yet */
};

/* share: what the ring gives it now, 0..HEALTH_SHARE_FULL. */
void health_state_init(struct health_state *s, uint32_t share, uint64_t now_ms);
/* One probe's result. True when status changed. */
bool health_state_note(struct health_state *s, const struct health_rules *rules, bool pass,
		       uint64_t now_ms);
/* Passes in a row that bring it up. */
uint32_t health_state_rise(const struct health_state *s, const struct health_rules *rules);
/* The part of its weight that it should have. Ends its slow start when that is all. */
uint32_t health_state_share(struct health_state *s, const struct health_rules *rules,
			    uint64_t now_ms);
