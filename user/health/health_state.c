/* SPDX-License-Identifier: BSD-2-Clause */
#include "health_state.h"

void health_state_init(struct health_state *s, uint32_t share, uint64_t now_ms)
{
	*s = (struct health_state) {
		.status = HEALTH_UNKNOWN,
		.found_share = share < HEALTH_SHARE_FULL ? share : HEALTH_SHARE_FULL,
		.changed_ms = now_ms,
	};
}

uint32_t health_state_rise(const struct health_state *s, const struct health_rules *rules)
{
	return rules->rise << (s->flaps > 1 ? s->flaps - 1 : 0);
}

uint32_t health_state_share(struct health_state *s, const struct health_rules *rules,
			    uint64_t now_ms)
{
	uint64_t steps;

	if (s->status != HEALTH_UP)
		return s->status == HEALTH_UNKNOWN ? s->found_share : 0;
	if (!s->slow)
		return HEALTH_SHARE_FULL;
	steps = HEALTH_SHARE_FULL / HEALTH_SHARE_STEP - 1;
	if (now_ms - s->slow_from_ms >= rules->slow_start_ms) {
		s->slow = false;
		return HEALTH_SHARE_FULL;
	}
	steps = steps * (now_ms - s->slow_from_ms) / rules->slow_start_ms + 1;
	return (uint32_t)steps * HEALTH_SHARE_STEP;
}

static void go_up(struct health_state *s, const struct health_rules *rules, uint64_t now_ms)
{
	const uint32_t found = s->status == HEALTH_UNKNOWN ? s->found_share : 0;
	const uint64_t steps = HEALTH_SHARE_FULL / HEALTH_SHARE_STEP - 1;

	s->status = HEALTH_UP;
	s->changed_ms = now_ms;
	s->slow = rules->slow_start_ms && found < HEALTH_SHARE_FULL;
	s->slow_from_ms = now_ms;
	/* Found within a slow start: it goes on from there, rounded up so that no share is lost. */
	if (s->slow && found > HEALTH_SHARE_STEP)
		s->slow_from_ms -=
			(rules->slow_start_ms * (found / HEALTH_SHARE_STEP - 1) + steps - 1) /
			steps;
}

static void go_down(struct health_state *s, const struct health_rules *rules, uint64_t now_ms)
{
	s->lost_share = health_state_share(s, rules, now_ms);
	if (s->status == HEALTH_UP) {
		if (now_ms - s->changed_ms >= HEALTH_FORGET_MS)
			s->flaps = 0;
		if (s->flaps < HEALTH_FLAPS_MAX + 1)
			s->flaps++;
	}
	s->status = HEALTH_DOWN;
	s->changed_ms = now_ms;
	s->slow = false;
}

bool health_state_note(struct health_state *s, const struct health_rules *rules, bool pass,
		       uint64_t now_ms)
{
	/* The first word about one that gets nothing: there is no flapping to wait for. */
	const bool first = s->status == HEALTH_UNKNOWN && (pass || !s->found_share);
	uint32_t *count = pass ? &s->passed : &s->failed;

	if (*count < UINT32_MAX)
		(*count)++;
	*(pass ? &s->failed : &s->passed) = 0;
	if (pass && s->status != HEALTH_UP && (first || s->passed >= health_state_rise(s, rules))) {
		go_up(s, rules, now_ms);
		return true;
	}
	if (!pass && s->status != HEALTH_DOWN && (first || s->failed >= rules->fall)) {
		go_down(s, rules, now_ms);
		return true;
	}
	return false;
}
