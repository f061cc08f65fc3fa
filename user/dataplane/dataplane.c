/* SPDX-License-Identifier: BSD-2-Clause */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "capture_map.h"
#include "dataplane_state.h"
#include "device.h"
#include "device_watch.h"
#include "drop_cache_map.h"
#include "event_map.h"
#include "explain.h"
#include "flow_list.h"
#include "layout.h"
#include "limit_map.h"
#include "link.h"
#include "meter_map.h"
#include "map_entries.h"
#include "pin.h"
#include "pin_swap.h"
#include "probe_way.h"
#include "program.h"
#include "quic_key.h"
#include "resize.h"
#include "source_table.h"
#include "steer_link.h"
#include "steer_map.h"
#include "vip_map.h"
#include "warning.h"

/* Of a hash with more entries `status` estimates, to some 2 %: these take up to 4 ms, a million a second. */
#define COUNT_SAMPLE 4096

static int pin_programs(struct dataplane *dp)
{
	int e = pin_replace(dp->dir_fd, PIN_PROG "xdp_ingress", dp->xdp.fd);

	if (!e && dp->tc.fd >= 0)
		e = pin_replace(dp->dir_fd, PIN_PROG "tc_ingress", dp->tc.fd);
	if (!e && dp->egress.fd >= 0)
		e = pin_replace(dp->dir_fd, PIN_PROG "tc_egress", dp->egress.fd);
	if (!e && dp->sk_lookup.fd >= 0)
		e = pin_replace(dp->dir_fd, PIN_PROG "sk_lookup", dp->sk_lookup.fd);
	return e;
}

/* What was replaced is the old programs' alone, which nothing runs any more. */
static void forget_old(struct dataplane *dp)
{
	for (size_t i = 0; i < dp->n_maps; i++) {
		if (dp->maps[i].old_fd >= 0)
			close(dp->maps[i].old_fd);
		dp->maps[i].old_fd = -1;
	}
}

static int put_in_force(struct dataplane *dp, struct errmsg *err)
{
	const struct pinned_map *layout = pinned_map_find(dp, "layout");
	const bool swaps = layout && layout->fate != MAP_ADOPTED;
	int e = swaps ? pin_swap_stage(dp, err) : 0;

	if (e)
		return e;
	dp->steer_waits = layout_steer_is_empty(dp);
	if (!dp->steer_waits)
		e = steer_link_flip(dp, dp->sk_lookup.fd, err);
	if (!e)
		e = link_flip(dp, err);
	if (!e && swaps) {
		e = pin_swap_commit(dp->dir_fd, err);
		if (e)
			link_flip_back(dp);
	}
	if (e) {
		steer_link_flip_back(dp);
		pin_swap_cancel(dp->dir_fd);
		return e;
	}
	map_move_keep(dp);
	resize_catch_up(dp);
	if (swaps)
		e = pin_swap_finish(dp->dir_fd);
	forget_old(dp);
	layout_remove_retired(dp->dir_fd);
	if (!e)
		e = pin_programs(dp);
	return e ? errmsg_set(err, e, "cannot pin what was loaded: %s", strerror(-e)) : 0;
}

static int open_sources(struct dataplane *dp, struct errmsg *err)
{
	const struct source_maps maps = { .v4_fd = pinned_map_fd(dp, "source_v4"),
					  .split_fd = pinned_map_fd(dp, "source_split"),
					  .long_fd = pinned_map_fd(dp, "source_long"),
					  .v6_fd = pinned_map_fd(dp, "source_v6"),
					  .v6_lines_fd = pinned_map_fd(dp, "source_v6_lines") };
	int e = source_table_open(&maps, &dp->source);

	return e ? errmsg_set(err, e, "cannot use the tables of sources: %s", strerror(-e)) : 0;
}

static int fill_new(struct dataplane *dp, const struct dataplane_fill *fill, struct errmsg *err)
{
	int e;

	if (!fill || !dp->adopted || !layout_has_empty(dp))
		return 0;
	dp->is_filling = true;
	e = fill->maps(dp, fill->ctx, err);
	dp->is_filling = false;
	return e;
}

static int load(struct dataplane *dp, const struct dataplane_fill *fill, struct errmsg *err)
{
	CLEANUP(program_set_clear) struct program_set set = { 0 };
	int e = program_open(dp, &set, err);

	if (!e)
		e = layout_adopt(dp, err);
	if (!e) {
		map_move_adopt(dp);
		e = resize_plan(dp, err);
	}
	if (!e)
		e = program_load(dp, &set, err);
	if (!e)
		e = resize_copy(dp, err);
	if (!e && vip_map_open(dp))
		e = errmsg_set(err, -ENOMEM, "cannot map vip_state");
	if (!e)
		e = open_sources(dp, err);
	if (!e)
		e = layout_init(dp, err);
	if (!e)
		e = fill_new(dp, fill, err);
	if (!e) {
		drop_cache_map_no_verdicts(dp, false);
		e = put_in_force(dp, err);
	}
	if (e)
		map_move_undo(dp);
	/* What the programs of before left there is theirs. */
	if (!e)
		drop_cache_map_forget(dp);
	return e;
}

/* For the log, and for who asks `status` later. */
static void tell_layout(struct dataplane *dp)
{
	static const char anew[] = "made anew: ";

	layout_describe(dp, &dp->layout_line);
	if (strncmp(dp->layout_line.text, anew, strlen(anew)) == 0)
		errmsg_set(&dp->forgotten, 0,
			   "maps of another layout were %.400s; nothing has to be done",
			   dp->layout_line.text);
}

static void close_dataplane(struct dataplane **dp)
{
	if (*dp)
		dataplane_close(*dp);
}

int dataplane_open(int dir_fd, const struct conf_dataplane *conf, struct dataplane **ret,
		   struct errmsg *err)
{
	return dataplane_open_filled(dir_fd, conf, NULL, ret, err);
}

int dataplane_open_filled(int dir_fd, const struct conf_dataplane *conf,
			  const struct dataplane_fill *fill, struct dataplane **ret,
			  struct errmsg *err)
{
	CLEANUP(close_dataplane) struct dataplane *dp = calloc(1, sizeof(*dp));
	int e;

	if (!dp)
		return errmsg_set(err, -ENOMEM, "no memory");
	dp->xdp.fd = dp->tc.fd = dp->egress.fd = dp->sk_lookup.fd = -1;
	dp->conf = *conf;
	dp->conf.devices = NULL;
	dp->conf.n_devices = 0;
	dp->conf.amplification_ports = NULL;
	dp->conf.n_amplification_ports = 0;
	dp->conf.cgroup = NULL;
	dp->dir_fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
	if (dp->dir_fd < 0)
		return errmsg_set(err, -errno, "bpffs directory: %s", strerror(errno));
	e = pin_swap_recover(dp->dir_fd);
	if (e)
		return errmsg_set(err, e, "cannot tidy up the bpffs directory: %s", strerror(-e));
	e = load(dp, fill, err);
	if (e)
		return e;
	tell_layout(dp);
	warning_check_netns(dp);
	e = layout_set_netns(dp);
	if (e)
		return errmsg_set(err, e, "cannot write map layout: %s", strerror(-e));
	dp->n_warnings_load = dp->warnings.n;
	*ret = take_ptr(&dp);
	return 0;
}

static void program_clear(struct program *p)
{
	if (p->fd >= 0)
		close(p->fd);
	if (p->bss_fd > 0)
		close(p->bss_fd);
	*p = (struct program) { .fd = -1 };
}

static void device_clear(struct device *d)
{
	if (d->link_fd >= 0)
		close(d->link_fd);
	if (d->egress_fd >= 0)
		close(d->egress_fd);
}

void dataplane_close(struct dataplane *dp)
{
	size_t i;

	if (!dp)
		return;
	explain_stop(dp);
	flow_list_forget(dp);
	probe_way_close(dp);
	quic_key_close(dp);
	event_map_stop(dp);
	capture_map_stop(dp);
	vip_map_stop(dp);
	map_move_close(dp);
	steer_map_close(dp);
	limit_map_close(dp);
	meter_map_close(dp);
	source_table_close(dp->source);
	device_watch_close(dp->watch);
	for (i = 0; i < dp->n_devices; i++)
		device_clear(&dp->devices[i]);
	for (i = 0; i < dp->n_maps; i++)
		pinned_map_close(&dp->maps[i]);
	program_clear(&dp->xdp);
	program_clear(&dp->tc);
	program_clear(&dp->egress);
	program_clear(&dp->sk_lookup);
	if (dp->dir_fd >= 0)
		close(dp->dir_fd);
	free(dp->devices);
	free(dp->states);
	free(dp);
}

static struct device *find_device(struct dataplane *dp, const char *name)
{
	size_t i;

	for (i = 0; i < dp->n_devices; i++) {
		if (strcmp(dp->devices[i].state.name, name) == 0)
			return &dp->devices[i];
	}
	return NULL;
}

/* dp->devices become those of conf; what is known of one that stays is kept. */
static int set_devices(struct dataplane *dp, const struct conf_dataplane *conf)
{
	CLEANUP_FREE struct device *devices = calloc(conf->n_devices + 1, sizeof(*devices));
	CLEANUP_FREE struct dataplane_device *states = calloc(conf->n_devices + 1, sizeof(*states));
	size_t i;

	if (!devices || !states)
		return -ENOMEM;
	for (i = 0; i < conf->n_devices; i++) {
		struct device *known = find_device(dp, conf->devices[i].name);

		if (known) {
			devices[i] = *known;
			known->link_fd = known->egress_fd = -1;
		} else {
			devices[i].link_fd = devices[i].egress_fd = -1;
		}
		devices[i].want = conf->devices[i];
		snprintf(devices[i].state.name, sizeof(devices[i].state.name), "%s",
			 conf->devices[i].name);
		devices[i].want.name = NULL; /* the caller's; state.name is ours */
	}
	for (i = 0; i < dp->n_devices; i++)
		device_clear(&dp->devices[i]);
	free(dp->devices);
	free(dp->states);
	dp->devices = take_ptr(&devices);
	dp->states = take_ptr(&states);
	dp->n_devices = conf->n_devices;
	return 0;
}

static int detach_unwanted(const char *name, void *ctx)
{
	struct dataplane *dp = ctx;
	char device[16];

	if (device_of_pin(name, device) && !find_device(dp, device))
		device_detach_pin(dp->dir_fd, &dp->way, name);
	return 0;
}

void dataplane_libxdp_by(struct dataplane *dp, const struct libxdp_way *way)
{
	dp->way = *way;
}

/* No device has it any more: the next agent need not load it. */
static void unload(struct dataplane *dp, struct program *program, const char *pin)
{
	pin_remove(dp->dir_fd, pin);
	program_clear(program);
}

static bool wants_tc(const struct dataplane *dp)
{
	size_t i;

	for (i = 0; i < dp->n_devices; i++) {
		if (dp->devices[i].want.hook == CONF_HOOK_TC)
			return true;
	}
	return false;
}

int dataplane_attach(struct dataplane *dp, const struct conf_dataplane *conf)
{
	int err = set_devices(dp, conf), failed = 0;
	size_t i;

	/* First those that are not wanted: a device may have been renamed, its link is in the way. */
	if (!err)
		err = pin_each(dp->dir_fd, detach_unwanted, dp);
	if (err)
		return err;
	for (i = 0; i < dp->n_devices; i++) {
		if (device_attach(dp, &dp->devices[i]))
			failed++;
	}
	/* Where XDP could not be attached, what was there before goes on: that may be TC. */
	if (!failed && !wants_tc(dp))
		unload(dp, &dp->tc, PIN_PROG "tc_ingress");
	warning_check(dp);
	return failed;
}

int dataplane_attach_egress(struct dataplane *dp, bool wanted)
{
	int failed = 0;
	size_t i;

	dp->egress_wanted = wanted;
	for (i = 0; i < dp->n_devices; i++) {
		struct device *d = &dp->devices[i];

		if (!wanted)
			device_detach_egress(dp, d);
		else if (d->state.attached && device_attach_egress(dp, d))
			failed++;
	}
	if (!wanted)
		unload(dp, &dp->egress, PIN_PROG "tc_egress");
	return failed;
}

int dataplane_watch(struct dataplane *dp, struct loop *loop)
{
	return dp->watch ? 0 : device_watch_open(dp, loop, &dp->watch);
}

size_t dataplane_devices(const struct dataplane *dp, const struct dataplane_device **ret)
{
	size_t i;

	for (i = 0; i < dp->n_devices; i++)
		dp->states[i] = dp->devices[i].state;
	*ret = dp->states;
	return dp->n_devices;
}

static bool is_countable(uint32_t type)
{
	return type == BPF_MAP_TYPE_HASH || type == BPF_MAP_TYPE_LRU_HASH ||
	       type == BPF_MAP_TYPE_LPM_TRIE;
}

size_t dataplane_maps(struct dataplane *dp, struct dataplane_map *ret, size_t max)
{
	size_t i;

	for (i = 0; i < dp->n_maps && i < max; i++) {
		const struct pinned_map *m = &dp->maps[i];

		memset(&ret[i], 0, sizeof(ret[i]));
		memcpy(ret[i].name, m->name, sizeof(ret[i].name));
		ret[i].max_entries = m->shape.max_entries;
		ret[i].memory_bytes = pinned_map_memory(m->fd);
		if (is_countable(m->shape.type))
			ret[i].counted =
				pinned_map_count(m->fd, COUNT_SAMPLE, &ret[i].entries) == 0;
		else
			ret[i].counted = map_entries_count(dp, m->name, &ret[i].entries) == 0;
	}
	return i;
}

size_t dataplane_warnings(const struct dataplane *dp, const char **ret, size_t max)
{
	size_t i;

	for (i = 0; i < dp->warnings.n && i < max; i++)
		ret[i] = dp->warnings.line[i];
	if (dp->forgotten.text[0] && i < max)
		ret[i++] = dp->forgotten.text;
	if (dp->concurrent_why.text[0] && i < max)
		ret[i++] = dp->concurrent_why.text;
	if (dp->moves.text[0] && i < max)
		ret[i++] = dp->moves.text;
	return i;
}

const char *dataplane_layout(const struct dataplane *dp)
{
	return dp->layout_line.text;
}

bool dataplane_adopted(const struct dataplane *dp)
{
	return dp->adopted;
}

int dataplane_prog_stats(const struct dataplane *dp, uint64_t *ret_run_ns, uint64_t *ret_run_count)
{
	const int fds[] = { dp->xdp.fd, dp->tc.fd, dp->egress.fd, dp->sk_lookup.fd };
	uint64_t ns = 0, count = 0;
	size_t i;

	for (i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		struct bpf_prog_info info = { 0 };
		uint32_t len = sizeof(info);

		if (fds[i] < 0)
			continue;
		if (bpf_obj_get_info_by_fd(fds[i], &info, &len))
			return -errno;
		ns += info.run_time_ns;
		count += info.run_cnt;
	}
	*ret_run_ns = ns;
	*ret_run_count = count;
	return 0;
}
