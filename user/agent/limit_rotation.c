/* SPDX-License-Identifier: BSD-2-Clause */
#include "limit_rotation.h"

#include "base/clock.h"
#include "dataplane/limit_map.h"

const char *limit_rotation_cause_name(enum limit_rotation_cause cause)
{
	static const char *const names[] = {
		[LIMIT_ROTATION_ADOPTED] = "adopted",
		[LIMIT_ROTATION_LIFETIME] = "lifetime",
		[LIMIT_ROTATION_OPERATOR] = "operator",
	};

	return names[cause];
}

int limit_rotation_begin(struct limit_rotation *r, struct dataplane *dp,
			 enum limit_rotation_cause cause, uint64_t now_ns)
{
	int ret = limit_map_rotate(dp);
	uint64_t wait_ms = (uint64_t)ret;

	if (ret < 0)
		return ret;
	r->end_ns = now_ns + wait_ms * NS_PER_MS;
	r->cause = cause;
	return 0;
}

static int go_on(struct limit_rotation *r, struct dataplane *dp, const struct limit_key *key,
		 uint64_t now_ns)
{
	int err;

	if (!r->end_ns) {
		r->end_ns = now_ns + key->wait_ms * NS_PER_MS;
		r->cause = LIMIT_ROTATION_ADOPTED;
	}
	if (now_ns < r->end_ns)
		return LIMIT_ROTATION_IDLE;
	err = limit_map_rotate_end(dp);
	if (err)
		return err;
	r->end_ns = 0;
	return LIMIT_ROTATION_DONE;
}

int limit_rotation_tick(struct limit_rotation *r, struct dataplane *dp, uint64_t lifetime_ms,
			uint64_t now_ns)
{
	struct limit_key key;
	uint64_t since_ns;
	int err = limit_map_key(dp, &key);

	if (err)
		return err;
	if (key.rotating)
		return go_on(r, dp, &key, now_ns);
	r->end_ns = 0; /* the map is another one */
	if (!r->since_ns)
		r->since_ns = now_ns;
	since_ns = key.since_ns ? key.since_ns : r->since_ns;
	if (!lifetime_ms || now_ns < since_ns || now_ns - since_ns < lifetime_ms * NS_PER_MS)
		return LIMIT_ROTATION_IDLE;
	err = limit_rotation_begin(r, dp, LIMIT_ROTATION_LIFETIME, now_ns);
	return err ? err : LIMIT_ROTATION_BEGUN;
}
