/* SPDX-License-Identifier: BSD-2-Clause */
/* Health checks of vips: their files, what they say to the rings, and who is told. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "dataplane/probe_way.h"
#include "dataplane/vip_map.h"
#include "feed_file.h"
#include "supervisor_state.h"

#define CA_MAX_BYTES (1U << 20)

_Static_assert(HEALTH_SHARE_FULL == VIP_SHARE_FULL, "shares of a backend's weight");

static int read_ca(const char *path, char **ret, size_t *ret_len, struct errmsg *err)
{
	return feed_file_read(path, CA_MAX_BYTES, ret, ret_len, err);
}

/*
 * Places are those of the revision in force, which changes in one turn with what is probed. The rings
 * are earlier: while workers are asked, they are the next revision's already.
 */
static uint32_t found_share(void *ctx, size_t vip, size_t backend)
{
	const struct supervisor *s = ctx;

	return s->kernel.dp ? vip_map_share(s->kernel.dp, s->revision->conf, vip, backend) : 0;
}

static void on_share(void *ctx, size_t vip, size_t backend, uint32_t share)
{
	const struct supervisor *s = ctx;

	if (s->kernel.dp)
		(void)vip_map_set_share(s->kernel.dp, s->revision->conf, vip, backend, share);
}

static void on_change(void *ctx, size_t vip, size_t backend, bool up, const char *why)
{
	struct supervisor *s = ctx;
	const struct conf_vip *v = &s->revision->conf->vips[vip];
	const char *name = v->backends[backend].name;

	if (up)
		log_info("backend.up", LOG_STR("vip", v->name), LOG_STR("backend", name));
	else
		log_warn("backend.down", LOG_STR("vip", v->name), LOG_STR("backend", name),
			 LOG_STR("why", why));
	supervisor_emit(s,
			json_pack("{s:s,s:s,s:s,s:s,s:s*}", "type", "health", "vip", v->name,
				  "backend", name, "state", up ? "up" : "down", "why",
				  up ? NULL : why),
			loop_now_ns(s->loop));
}

static bool goes_as_traffic(const struct conf_vip *v)
{
	if (!v->health.type || v->health.via == CONF_VIA_ADDRESS)
		return false;
	return v->health.via == CONF_VIA_VIP || v->mode == BACKEND_IPIP || v->mode == BACKEND_GUE;
}

static bool find_way(void *ctx, size_t vip, size_t backend, struct health_way *ret)
{
	const struct supervisor *s = ctx;
	struct probe_way_to to;

	if (!s->kernel.dp || !goes_as_traffic(&s->revision->conf->vips[vip]) ||
	    !probe_way_get(s->kernel.dp, s->revision->conf, vip, backend, &to))
		return false;
	*ret = (struct health_way) {
		.addr = to.addr,
		.by = { .mark = to.mark, .has_source = to.has_source, .source = to.source }
	};
	return true;
}

/* What cannot go by its vip's way goes to the backend's address, and is named in `status`. */
static void apply_way(struct supervisor *s)
{
	const struct conf *conf = s->revision->conf;
	struct errmsg *why = &s->health_way_why;
	bool wanted = false;

	why->text[0] = '\0';
	for (size_t i = 0; i < conf->n_vips; i++)
		wanted = wanted || goes_as_traffic(&conf->vips[i]);
	(void)probe_way_set(s->kernel.dp, wanted, why);
	for (size_t i = 0; wanted && !why->text[0] && i < conf->n_vips; i++) {
		const struct conf_vip *v = &conf->vips[i];

		if (goes_as_traffic(v) && probe_way_is_local(s->kernel.dp, &v->address))
			errmsg_set(why, 0,
				   "vip %s: its address is this host's own, so its health checks "
				   "go to the backends' own addresses: remove it from this host, "
				   "or say so (health.via: address)",
				   v->name);
	}
	if (why->text[0])
		log_warn("health.via", LOG_STR("why", why->text));
}

void supervisor_health_apply(struct supervisor *s)
{
	const struct health_events events = { on_share, on_change, s, find_way };
	const struct health_source source = { read_ca, found_share, s };
	int err = 0;

	if (!s->kernel.dp)
		return;
	apply_way(s);
	if (!s->health)
		err = health_new(s->loop, &events, &s->health);
	if (!err)
		err = health_apply(s->health, s->revision->conf, &source, &s->health_why);
	if (err) { /* what was probed was of another revision */
		supervisor_health_stop(s);
		errmsg_set(&s->health_why, 0, "backends are not probed, and stay as they are: %s",
			   strerror(-err));
	}
	if (s->health_why.text[0])
		log_error("health.apply", LOG_STR("error", s->health_why.text));
}

void supervisor_health_stop(struct supervisor *s)
{
	health_free(s->health);
	s->health = NULL;
	s->health_why.text[0] = '\0';
}

const struct health *supervisor_health(const struct supervisor *s)
{
	return s->health;
}

void supervisor_health_check(const struct conf *conf, struct conf_errors *errors)
{
	const struct health_source source = { .read = read_ca };

	health_check_files(conf, &source, errors);
}
