/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "dataplane/acl_map.h"
#include "dataplane/guard_map.h"
#include "dataplane/limit_concurrent.h"
#include "dataplane/limit_map.h"
#include "dataplane/pin.h"
#include "dataplane/response_map.h"
#include "dataplane/vip_map.h"
#include "geoip.h"

enum room { ROOM_DATAPLANE = 1, ROOM_LIMITS = 2, ROOM_ACL = 4, ROOM_RESPONSES = 8 };
#define ROOMS_ALL    (ROOM_DATAPLANE | ROOM_LIMITS | ROOM_ACL | ROOM_RESPONSES)
#define ROOMS_EGRESS (ROOM_DATAPLANE | ROOM_LIMITS | ROOM_RESPONSES)

static int attach(struct kernel *k, const struct conf *conf)
{
	int failed = dataplane_attach(k->dp, &conf->dataplane);

	if (failed > 0)
		log_warn("dataplane.devices", LOG_I64("not_attached", failed));
	return failed < 0 ? failed : 0;
}

static bool wants_egress(const struct conf *conf)
{
	for (size_t i = 0; i < conf->n_limits; i++)
		if (conf->limits[i].direction == CONF_EGRESS)
			return true;
	return conf->n_responses > 0;
}

/* After what it looks up is in place. */
static void attach_egress(struct kernel *k, const struct conf *conf)
{
	int failed = dataplane_attach_egress(k->dp, wants_egress(conf));

	if (failed > 0)
		log_warn("dataplane.egress", LOG_I64("not_attached", failed));
}

/* Without it connections at a time are not limited; all else is. */
static void attach_concurrent(struct kernel *k, const struct conf *conf)
{
	struct errmsg err;

	if (limit_concurrent_attach(k->dp, conf, &err))
		log_warn("limit.concurrent", LOG_STR("reason", err.text));
}

/* Why there is no kernel half, and whether that of an earlier agent goes on without this one. */
static void absent(struct kernel *k, int code)
{
	const int left_fd = pin_get(k->dir_fd, PIN_PROG "xdp_ingress");
	struct errmsg why = k->why;

	if (!why.text[0])
		errmsg_set(&why, 0, "BPF: %s", strerror(-code));
	errmsg_set(
		&k->why, 0, "%.330s%s", why.text,
		left_fd < 0
			? ""
			: " (programs and maps of an earlier agent are in force as it left them; "
			  "`sluicectl detach` removes them)");
	if (left_fd >= 0)
		close(left_fd);
	log_warn("dataplane.absent", LOG_STR("reason", k->why.text));
}

const char *kernel_needs_restart(const struct conf *from, const struct conf *to)
{
	const struct conf_dataplane *a = &from->dataplane, *b = &to->dataplane;

	/* workers have the meters mapped, and are given them once */
	if (a->enabled != b->enabled)
		return "dataplane.enabled";
	/* the bpffs is opened at the start, while that may be done */
	if (conf_wants_kernel(from) != conf_wants_kernel(to))
		return "decap.devices";
	if (a->max_meters != b->max_meters)
		return "dataplane.max_meters";
	return NULL;
}

/* Everything but the devices is written into programs and maps when they are loaded. */
static bool same_programs(const struct conf_dataplane *a, const struct conf_dataplane *b)
{
	return a->max_clients == b->max_clients && a->limit_rows == b->limit_rows &&
	       a->max_acl == b->max_acl && a->max_verdicts == b->max_verdicts &&
	       a->max_vips == b->max_vips && a->max_backends == b->max_backends &&
	       a->max_responses == b->max_responses && a->max_concurrent == b->max_concurrent &&
	       a->ring_size == b->ring_size && a->max_flows == b->max_flows &&
	       a->max_nat_flows == b->max_nat_flows && a->unknown_l4 == b->unknown_l4 &&
	       a->events_per_s == b->events_per_s && a->too_big_per_s == b->too_big_per_s &&
	       a->echo_per_s == b->echo_per_s;
}

/* New programs over the same pins; links are updated, never detached. */
static int reload_programs(struct kernel *k, const struct conf *conf, struct errmsg *err)
{
	struct dataplane *next;
	int ret;

	acl_job_settle(k->acl);
	ret = dataplane_open(k->dir_fd, &conf->dataplane, &next, err);

	if (ret)
		return ret;
	vip_map_stop(k->dp);
	acl_job_carry(k->acl, k->dp, next);
	dataplane_close(k->dp);
	k->dp = next;
	dataplane_libxdp_by(next, &k->libxdp);
	return dataplane_watch(next, k->loop);
}

/* *ret_refused: programs and maps of that size are not to be had, and nothing was changed. */
static int apply_dataplane(struct kernel *k, const struct conf *from, const struct conf *to,
			   bool *ret_refused, struct errmsg *err)
{
	struct dataplane *before = k->dp;
	int ret = 0;

	if (from && !same_programs(&from->dataplane, &to->dataplane))
		ret = reload_programs(k, to, err);
	*ret_refused = ret && k->dp == before;
	if (!ret && from)
		ret = attach(k, to);
	return ret;
}

static int apply_limits(struct kernel *k, const struct conf *conf, struct errmsg *err)
{
	struct conf *expanded;
	int ret = geoip_expand(conf, &expanded, err);

	if (ret)
		return ret;
	ret = limit_map_apply(k->dp, expanded ? expanded : conf, err);
	geoip_expand_free(expanded);
	return ret;
}

/* *ret_what: what it failed with, for an error without a text of its own. */
static int apply_policy(struct kernel *k, const struct conf *to, unsigned int rooms,
			const char **ret_what, struct errmsg *err)
{
	int ret = 0;

	/* Before limits: these change ports after sources, which after a restart wait for all lists. */
	if (rooms & ROOM_ACL) {
		*ret_what = "acl";
		ret = acl_map_apply_conf(k->dp, &to->acl, err);
	}
	if (!ret && (rooms & ROOM_LIMITS)) {
		*ret_what = "limits";
		ret = apply_limits(k, to, err);
	}
	if (!ret && (rooms & ROOM_RESPONSES)) {
		*ret_what = "responses";
		ret = response_map_apply(k->dp, to, err);
	}
	return ret;
}

/* Always: vips refer to the configuration's memory, guards to ids of vips, which may be others. */
static int apply_vips(struct kernel *k, const struct conf *to, const char **ret_what,
		      struct errmsg *err)
{
	int ret;

	*ret_what = "vips";
	ret = vip_map_apply(k->dp, k->loop, to, err);
	if (ret)
		return ret;
	*ret_what = "guard";
	return guard_map_apply(k->dp, to, err);
}

static int apply_rooms(struct kernel *k, const struct conf *from, const struct conf *to,
		       unsigned int rooms, bool *ret_refused, struct errmsg *err)
{
	const char *what = "dataplane";
	int ret = 0;

	*ret_refused = false;
	err->text[0] = '\0';
	if (rooms)
		acl_job_settle(k->acl);
	if (rooms & ROOM_DATAPLANE)
		ret = apply_dataplane(k, from, to, ret_refused, err);
	if (!ret)
		ret = apply_policy(k, to, rooms, &what, err);
	if (!ret && (rooms & ROOMS_EGRESS)) {
		attach_egress(k, to);
		attach_concurrent(k, to);
	}
	if (!ret)
		ret = apply_vips(k, to, &what, err);
	if (ret && !err->text[0])
		errmsg_set(err, ret, "%s: %s", what, strerror(-ret));
	return ret;
}

/* What dataplane_open asks for. */
struct fill {
	struct kernel *k;
	const struct conf *conf;
};

/* Maps of another version were made anew: before packets meet them. Nothing is attached here. */
static int fill_maps(struct dataplane *dp, void *ctx, struct errmsg *err)
{
	const struct fill *f = ctx;
	struct kernel *k = f->k;
	const char *what;
	int ret = acl_job_new(k->loop, &k->acl);

	err->text[0] = '\0';
	if (!ret) {
		acl_job_load(k->acl, f->conf, dp);
		k->dp = dp;
		ret = apply_policy(k, f->conf, ROOMS_ALL, &what, err);
	}
	if (!ret)
		ret = apply_vips(k, f->conf, &what, err);
	k->dp = NULL;
	if (ret && !err->text[0])
		errmsg_set(err, ret, "cannot fill maps that were made anew: %s", strerror(-ret));
	return ret;
}

int kernel_open(struct kernel *k, struct loop *loop, int dir_fd, const char *dir_error,
		const struct conf *conf, struct errmsg *err)
{
	struct fill ctx = { k, conf };
	const struct dataplane_fill fill = { fill_maps, &ctx };
	int ret;

	k->loop = loop;
	k->dir_fd = dir_fd;
	k->why.text[0] = '\0';
	if (!conf_wants_kernel(conf))
		return 0;
	if (dir_fd < 0) {
		errmsg_set(&k->why, 0, "%s", dir_error);
		log_warn("dataplane.absent", LOG_STR("reason", k->why.text));
		return 0;
	}
	if (!conf->dataplane.enabled)
		return 0;
	ret = dataplane_open_filled(dir_fd, &conf->dataplane, &fill, &k->dp, &k->why);
	if (ret) {
		k->dp = NULL;
		acl_job_free(k->acl);
		k->acl = NULL;
		if (ret == -EPROTO)
			return errmsg_set(err, ret, "%s", k->why.text);
		absent(k, ret);
		return 0;
	}
	k->why.text[0] = '\0';
	log_info("dataplane.open", LOG_BOOL("adopted", dataplane_adopted(k->dp)));
	if (dataplane_layout(k->dp)[0])
		log_warn("dataplane.layout", LOG_STR("maps", dataplane_layout(k->dp)));
	dataplane_libxdp_by(k->dp, &k->libxdp);
	ret = attach(k, conf);
	if (!ret && !k->acl) {
		ret = acl_job_new(loop, &k->acl);
		if (!ret)
			acl_job_load(k->acl, conf, k->dp);
	}
	if (!ret)
		ret = dataplane_watch(k->dp, loop);
	return ret ? errmsg_set(err, ret, "cannot attach to devices: %s", strerror(-ret)) : 0;
}

/* Is the line of a diff about what limits meet at a vip? Not where these are all it names. */
static bool concerns_limits(const char *line)
{
	static const char *const others[] = { "].backends", "].health", "].slow_start",
					      "].all_down", "].quic" };
	const char *end = strchr(line, '\n');

	if (strncmp(line, "limits", 6) == 0)
		return true;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		const char *at = strstr(line, others[i]);

		if (at && end && at < end)
			return false;
	}
	return strncmp(line, "vips", 4) == 0;
}

/* Lines of a diff begin with the name of the section. */
static unsigned int rooms_of(const char *diff)
{
	unsigned int rooms = 0;

	for (const char *line = diff; line && *line;) {
		if (strncmp(line, "dataplane", 9) == 0) /* resized maps are filled anew */
			return ROOMS_ALL;
		if (concerns_limits(line) || strncmp(line, "geoip", 5) == 0)
			rooms |= ROOM_LIMITS;
		else if (strncmp(line, "acl", 3) == 0)
			rooms |= ROOM_ACL;
		else if (strncmp(line, "responses", 9) == 0)
			rooms |= ROOM_RESPONSES;
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return rooms;
}

/* Beside the packet path: neither needs the other, and neither fails for the other. */
static void apply_decap(struct kernel *k, const struct conf *from, const struct conf *to,
			const char *diff)
{
	const bool differs =
		!from || !diff || strncmp(diff, "decap", 5) == 0 || strstr(diff, "\ndecap") != NULL;

	if (k->dir_fd < 0 || !differs)
		return;
	k->decap_why.text[0] = '\0';
	if (decap_apply(k->dir_fd, &to->decap, &k->decap, &k->decap_why))
		log_error("decap.failed", LOG_STR("error", k->decap_why.text));
	else if (decap_warning(k->decap)[0])
		log_warn("decap.devices", LOG_STR("why", decap_warning(k->decap)));
}

int kernel_apply(struct kernel *k, const struct conf *from, const struct conf *to, const char *diff,
		 struct errmsg *err)
{
	const unsigned int rooms = from && diff ? rooms_of(diff) : ROOMS_ALL;
	struct errmsg back;
	bool refused;
	int ret;

	apply_decap(k, from, to, diff);
	if (!k->dp)
		return 0;
	ret = apply_rooms(k, from, to, rooms, &refused, err);
	if (ret && from && !refused && apply_rooms(k, to, from, rooms, &refused, &back))
		log_error("dataplane.rollback", LOG_STR("error", back.text));
	return ret;
}

void kernel_read_lists(struct kernel *k, const struct conf *conf)
{
	struct errmsg err;

	if (!k->dp)
		return;
	k->places_why.text[0] = '\0';
	acl_job_settle(k->acl);
	if (geoip_is_used(conf) && apply_limits(k, conf, &err)) {
		k->places_why = err;
		log_error("limits.places", LOG_STR("error", err.text));
	}
	acl_job_reload(k->acl, conf, k->dp);
}

void kernel_close(struct kernel *k)
{
	decap_close(k->decap);
	k->decap = NULL;
	acl_job_free(k->acl);
	k->acl = NULL;
	if (!k->dp)
		return;
	vip_map_stop(k->dp);
	dataplane_close(k->dp);
	k->dp = NULL;
}

int kernel_can_detach(const struct kernel *k, struct errmsg *err)
{
	if (k->dir_fd >= 0)
		return 0;
	return errmsg_set(err, -ENOENT, "there is no kernel half: %s",
			  k->why.text[0] ? k->why.text : "nothing is configured that takes one");
}

int kernel_detach(struct kernel *k, struct errmsg *err)
{
	int ret = kernel_can_detach(k, err);

	if (ret)
		return ret;
	kernel_close(k);
	errmsg_set(&k->why, 0, "detached by an operator; restart sluiced to attach again");
	ret = dataplane_detach_by(k->dir_fd, &k->libxdp, err);
	if (ret)
		errmsg_set(&k->why, 0, "detached by an operator, not completely: %s", err->text);
	return ret;
}
