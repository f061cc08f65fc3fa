/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What limits ask of a running supervisor: a new key of their rows now and then, and its word on who
 * is real.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "dataplane/limit_map.h"
#include "supervisor_state.h"

static void tell(struct supervisor *s)
{
	const char *cause = limit_rotation_cause_name(s->rotation.cause);

	log_info("limit.rotated", LOG_STR("cause", cause));
	supervisor_emit(s, json_pack("{s:s,s:s}", "type", "limit.rotated", "cause", cause),
			clock_now_ns());
}

void supervisor_limit_tick(struct supervisor *s)
{
	const uint64_t lifetime_ms = s->revision->conf->dataplane.limit_key_lifetime_ms;
	int ret;

	if (!s->kernel.dp)
		return;
	ret = limit_rotation_tick(&s->rotation, s->kernel.dp, lifetime_ms, clock_now_ns());
	if (ret == LIMIT_ROTATION_DONE)
		tell(s);
	if (ret < 0 && !s->rotation_failed)
		log_error("limit.rotate", LOG_STR("error", strerror(-ret)));
	s->rotation_failed = ret < 0;
}

int supervisor_limit_key(struct supervisor *s, struct supervisor_limit_key *ret)
{
	struct limit_key key;
	int err = s->kernel.dp ? limit_map_key(s->kernel.dp, &key) : -ENODEV;

	if (err)
		return err;
	*ret = (struct supervisor_limit_key) {
		.rotating = key.rotating,
		.since_ns = key.since_ns,
		.wait_ms = key.wait_ms,
		.lifetime_ms = s->revision->conf->dataplane.limit_key_lifetime_ms,
	};
	return 0;
}

int supervisor_limit_rotate(struct supervisor *s, const struct supervisor_caller *who)
{
	json_t *record;
	int err = s->kernel.dp ? 0 : -ENODEV;

	if (!err)
		err = limit_rotation_begin(&s->rotation, s->kernel.dp, LIMIT_ROTATION_OPERATOR,
					   clock_now_ns());
	if (err)
		return err;
	record = json_pack("{s:s}", "what", "limit.rotate");
	supervisor_audit(s, who, record);
	json_decref(record);
	return 0;
}

static size_t classes_of(const struct addr *source, uint8_t ret[LIMIT_CLASSES], void *ctx)
{
	const struct supervisor *s = ctx;

	return limit_map_classes(s->kernel.dp, source, ret);
}

static bool is_known(const struct addr *source, void *ctx)
{
	const struct supervisor *s = ctx;
	struct client c;

	return limit_map_client(s->kernel.dp, source, LIMIT_CLASS_NONE, &c) == 0;
}

static int prove(const struct addr *source, const uint8_t *classes, size_t n, void *ctx)
{
	const struct supervisor *s = ctx;

	return limit_map_prove(s->kernel.dp, source, classes, n, CLIENT_PROVEN_AGENT);
}

void supervisor_limit_peers(struct supervisor *s, uint32_t slot, const struct addr *peers, size_t n)
{
	if (!s->kernel.dp || !s->revision->conf->n_limits)
		return;
	s->proofs.env = (struct proofs_env) { classes_of, is_known, prove, s, s->memory.slots };
	s->proofs.counters = s->memory.counters;
	proofs_take(&s->proofs, slot, peers, n, clock_now_ns());
}
