/* SPDX-License-Identifier: BSD-2-Clause */
#include "guard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"

static bool has(const struct prefix *list, size_t n, const struct addr *a)
{
	for (size_t i = 0; i < n; i++)
		if (prefix_contains(&list[i], a))
			return true;
	return false;
}

static bool denies(const struct conf *conf, const struct addr *a)
{
	return !has(conf->acl.allow, conf->acl.n_allow, a) &&
	       has(conf->acl.deny, conf->acl.n_deny, a);
}

/* Length of its longest prefix that has the address; 0 for one without sources. */
static uint32_t reach(const struct conf_limit *limit, const struct addr *a)
{
	uint32_t longest = 0;

	for (size_t i = 0; i < limit->n_sources; i++)
		if (prefix_contains(&limit->sources[i], a) && limit->sources[i].len_bits > longest)
			longest = limit->sources[i].len_bits;
	return longest;
}

/* Does the limit decide about the address? Of those by source alone the most specific does. */
static bool governs(const struct conf *conf, const struct conf_limit *limit, const struct addr *a)
{
	if (has(conf->acl.allow, conf->acl.n_allow, a) || !request_limit_meets(limit, a))
		return false;
	for (size_t i = 0; i < conf->n_limits && limit->n_ports == 0; i++) {
		const struct conf_limit *other = &conf->limits[i];

		if (other->n_ports == 0 && request_limit_meets(other, a) &&
		    reach(other, a) > reach(limit, a))
			return false;
	}
	return true;
}

static bool is_tighter_rate(const struct conf_rate *want, const struct conf_rate *now)
{
	if (want->count == 0)
		return false;
	if (now->count == 0 || want->burst < now->burst)
		return true;
	return (unsigned __int128)want->count * now->period_ns <
	       (unsigned __int128)now->count * want->period_ns;
}

static bool is_tighter(const struct conf_limit *want, const struct conf_limit *now)
{
	bool is = now->dry_run || (want->per != now->per && want->per == CONF_PER_PREFIX);

	is = is || (want->concurrent && (!now->concurrent || want->concurrent < now->concurrent));
	for (int u = 0; u < LIMIT_UNITS && !is; u++)
		is = is_tighter_rate(&want->unit[u], &now->unit[u]) ||
		     is_tighter_rate(&want->total[u], &now->total[u]);
	return is && !want->dry_run;
}

static const struct conf_limit *first_tighter(const struct conf *want, const struct conf *now,
					      const struct addr *a)
{
	for (size_t i = 0; i < want->n_limits; i++) {
		const struct conf_limit *limit = &want->limits[i], *old;

		if (limit->dry_run || !governs(want, limit, a))
			continue;
		old = conf_limit(now, limit->name);
		if (!old || !governs(now, old, a) || is_tighter(limit, old))
			return limit;
	}
	return NULL;
}

int guard_file(struct control_request *r, const char *text)
{
	const struct conf *now = supervisor_conf(r->s);
	const struct conf_limit *limit;
	struct conf_errors *errors;
	char address[ADDR_TEXT_MAX];
	struct conf *want;
	int err = 0;

	if (!r->has_ssh || r->force)
		return 0;
	errors = calloc(1, sizeof(*errors));
	if (!errors)
		return -ENOMEM;
	if (conf_parse(text, strlen(text), &want, errors) == 0) {
		limit = first_tighter(want, now, &r->ssh);
		addr_format(&r->ssh, address);
		if (denies(want, &r->ssh) && !denies(now, &r->ssh))
			err = request_guarded(r,
					      "the file denies %s, the address of your own SSH "
					      "session: repeat with --force, or put it into "
					      "acl.allow",
					      address);
		else if (limit)
			err = request_guarded(r,
					      "limit %s of the file is new or tighter for %s, the "
					      "address of your own SSH session: repeat with "
					      "--force, or put it into acl.allow",
					      limit->name, address);
		conf_free(want);
	}
	free(errors);
	return err;
}
