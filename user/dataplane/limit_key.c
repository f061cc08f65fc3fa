/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The key of the rows and its change. Both halves of a rotation are in the map, so whoever comes
 * after a supervisor that died in between sees that one is on its way.
 */
#include "limit_key.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "dataplane_state.h"
#include "drop_cache_map.h"
#include "limit_class.h"
#include "limit_map.h"

#define ROTATE_MAX_MS 10000

static struct limit_state *state_of(struct dataplane *dp)
{
	return pinned_map_mem(dp, "limit_state");
}

static int random_key(struct limit_row_key *key)
{
	return getrandom(key, sizeof(*key), 0) == sizeof(*key) ? 0 : -EIO;
}

/* Second 0 of a boot is told as the first: 0 stands for unknown. */
static void stamp(struct limit_state *state)
{
	const uint32_t now_s = (uint32_t)(clock_now_ns() / NS_PER_S);

	__atomic_store_n(&state->key_since_s, now_s ? now_s : 1, __ATOMIC_RELAXED);
}

int limit_key_first(struct limit_state *state)
{
	static const struct limit_row_key none;
	struct limit_row_key *key = &state->key[state->active_key & 1];
	int err;

	if (memcmp(key, &none, sizeof(none)) != 0)
		return 0;
	err = random_key(key);
	if (!err)
		stamp(state);
	return err;
}

static int wait_ms(struct dataplane *dp)
{
	const uint64_t longest_ms = limit_class_refill_ms(dp);

	return (int)(longest_ms < ROTATE_MAX_MS ? longest_ms : ROTATE_MAX_MS);
}

int limit_map_key(struct dataplane *dp, struct limit_key *ret)
{
	const struct limit_state *state = state_of(dp);

	if (!state)
		return -ENOMEM;
	*ret = (struct limit_key) {
		.rotating = state->charge_both != 0,
		.since_ns = state->key_since_s * NS_PER_S,
		.wait_ms = (uint64_t)wait_ms(dp),
	};
	return 0;
}

int limit_map_rotate(struct dataplane *dp)
{
	struct limit_state *state = state_of(dp);
	int err;

	if (!state)
		return -ENOMEM;
	if (state->charge_both)
		return -EALREADY;
	err = random_key(&state->key[!(state->active_key & 1)]);
	if (err)
		return err;
	__atomic_store_n(&state->charge_both, 1, __ATOMIC_RELEASE);
	return wait_ms(dp);
}

int limit_map_rotate_end(struct dataplane *dp)
{
	struct limit_state *state = state_of(dp);

	if (!state)
		return -ENOMEM;
	if (!state->charge_both)
		return -ENOENT;
	__atomic_store_n(&state->active_key, !(state->active_key & 1), __ATOMIC_RELEASE);
	__atomic_store_n(&state->charge_both, 0, __ATOMIC_RELEASE);
	drop_cache_map_forget(dp);
	stamp(state);
	return 0;
}
