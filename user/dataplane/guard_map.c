/* SPDX-License-Identifier: BSD-2-Clause */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "dataplane_state.h"
#include "guard_map.h"
#include "vip_map.h"

#define NS_PER_MILLI 1000000ULL

static bool kernel_has(enum bpf_func_id helper)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, helper, NULL) == 1;
}

void guard_map_probe(struct dataplane *dp)
{
	guard_map_probe_by(dp, kernel_has);
}

void guard_map_probe_by(struct dataplane *dp, bool (*has)(enum bpf_func_id helper))
{
	static const enum bpf_func_id own[] = { BPF_FUNC_xdp_load_bytes, BPF_FUNC_tcp_gen_syncookie,
						BPF_FUNC_tcp_check_syncookie };
	static const enum bpf_func_id raw[] = { BPF_FUNC_tcp_raw_gen_syncookie_ipv4,
						BPF_FUNC_tcp_raw_check_syncookie_ipv4 };
	size_t i;

	dp->guard_own = true;
	for (i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (!has(own[i]))
			dp->guard_own = false;
	}
	dp->guard_vips = dp->guard_own;
	for (i = 0; i < sizeof(raw) / sizeof(raw[0]); i++) {
		if (!has(raw[i]))
			dp->guard_vips = false;
	}
}

static void close_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* The last number of a file of one line below /proc/sys/net; -1: there is none. */
static int64_t setting(const char *name)
{
	CLEANUP(close_file) FILE *f = NULL;
	int64_t value = -1, next;
	char path[64];

	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	f = fopen(path, "re");
	while (f && fscanf(f, "%" SCNd64, &next) == 1)
		value = next;
	return value;
}

/*
 * The scale that the kernel gives its window (tcp_select_initial_window), which it will take for
 * granted that the cookie offered. A listener with SO_RCVBUF set has a smaller one.
 */
static int window_scale(void)
{
	int64_t rmem = setting("ipv4/tcp_rmem"), max = setting("core/rmem_max");
	int64_t space = rmem > max ? rmem : max;
	int scale = 0;

	if (rmem < 0 || max < 0)
		return -1;
	while (scale < 14 && space >> (scale + 16))
		scale++;
	return scale;
}

/*
 * With tcp_timestamps=1 the kernel adds a secret to each connection's timestamps, and what the
 * cookie's say could not be read back. One of the other two switched off makes it refuse them.
 */
static uint32_t own_options(void)
{
	int scale = window_scale();

	if (setting("ipv4/tcp_timestamps") != 2 || setting("ipv4/tcp_sack") != 1 ||
	    setting("ipv4/tcp_window_scaling") != 1 || scale < 0)
		return 0;
	return GUARD_OPTIONS | (uint32_t)scale;
}

/* Field by field: the other half of the record is the kernel's, which writes it meanwhile. */
static void write_guard(struct guard *g, const struct guard *want)
{
	__atomic_store_n(&g->reset, want->reset, __ATOMIC_RELAXED);
	__atomic_store_n(&g->on_per_s, want->on_per_s, __ATOMIC_RELAXED);
	__atomic_store_n(&g->off_per_s, want->off_per_s, __ATOMIC_RELAXED);
	__atomic_store_n(&g->hold_ns, want->hold_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&g->options, want->options, __ATOMIC_RELAXED);
	/* Turned on by a rate, it would stay on for the rest of its hold. */
	if (g->mode != want->mode)
		__atomic_store_n(&g->until_ns, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&g->mode, want->mode, __ATOMIC_RELEASE);
}

static uint32_t mode_of(const struct conf_guard *c, enum conf_guard_mode mode)
{
	if (mode == CONF_GUARD_INHERIT)
		mode = c->mode;
	return mode == CONF_GUARD_ALWAYS ? GUARD_ALWAYS
	       : mode == CONF_GUARD_AUTO ? GUARD_AUTO
					 : GUARD_OFF;
}

int guard_map_apply(struct dataplane *dp, const struct conf *conf, struct errmsg *err)
{
	struct pinned_map *m = pinned_map_find(dp, "guards");
	struct guard *guards = pinned_map_mem(dp, "guards");
	const struct conf_guard *c = &conf->guard;
	struct guard want = { .reset = c->reset,
			      .on_per_s = c->on_per_s,
			      .off_per_s = c->off_per_s,
			      .hold_ns = c->hold_ms * NS_PER_MILLI,
			      .options = own_options() };
	CLEANUP_FREE uint32_t *modes = NULL;
	uint32_t id;
	size_t i;

	if (!m || !guards)
		return errmsg_set(err, -EIO, "cannot map guards");
	modes = calloc(m->shape.max_entries, sizeof(*modes));
	if (!modes)
		return errmsg_set(err, -ENOMEM, "no memory");
	modes[GUARD_OWN] = mode_of(c, c->listeners);
	for (i = 0; i < conf->n_vips; i++) {
		const struct conf_vip *v = &conf->vips[i];

		id = vip_map_id(dp, v->name);
		if (id && id < m->shape.max_entries && v->protocol == IPPROTO_TCP)
			modes[id] = mode_of(c, v->guard);
	}
	dp->guard_is_used = false;
	for (id = 0; id < m->shape.max_entries; id++) {
		want.mode = modes[id];
		write_guard(&guards[id], &want);
		dp->guard_is_used |= modes[id] != GUARD_OFF;
	}
	dp->guard_own_is_used = modes[GUARD_OWN] != GUARD_OFF;
	return 0;
}

int guard_map_state(struct dataplane *dp, uint32_t id, struct guard_state *ret)
{
	const struct pinned_map *m = pinned_map_find(dp, "guards");
	const struct guard *guards = pinned_map_mem(dp, "guards");
	int fd = pinned_map_fd(dp, "stats_guard");
	struct guard_state state;

	if (!m || !guards || fd < 0)
		return -ENOENT;
	if (id >= m->shape.max_entries)
		return -ERANGE;
	state.mode = guards[id].mode;
	state.turns = guards[id].turns;
	state.on = state.mode == GUARD_ALWAYS ||
		   (state.mode == GUARD_AUTO && clock_now_ns() < guards[id].until_ns);
	fd = pinned_map_sum(fd, &id, sizeof(state.counts), (uint64_t *)state.counts.packets);
	if (fd)
		return fd;
	*ret = state;
	return 0;
}

void guard_map_describe(const struct dataplane *dp, char *ret, size_t ret_bytes)
{
	bool all = own_options() != 0;

	if (!dp->guard_own) {
		snprintf(ret, ret_bytes,
			 "limits of SYNs only: the kernel lacks the helpers for SYN cookies "
			 "(5.18, CONFIG_SYN_COOKIES)");
		return;
	}
	snprintf(ret, ret_bytes, "SYN cookies for listeners (%s%s)%s",
		 setting("ipv4/tcp_syncookies") == 2 ? ""
						     : "not with this net.ipv4.tcp_syncookies; ",
		 all ? "MSS, SACK, timestamps, window scale" : "MSS alone",
		 dp->guard_vips ? ", checks of sources for vips"
				: "; for vips limits of SYNs only (6.0)");
}

size_t guard_map_warnings(struct dataplane *dp, char ret[][256], size_t max)
{
	size_t n = 0;

	if (!dp->guard_is_used)
		return 0;
	if (!dp->guard_vips && n < max)
		snprintf(ret[n++], sizeof(ret[0]),
			 "guard: this kernel cannot answer SYNs%s: limit connections instead",
			 dp->guard_own ? " to vips" : "");
	if (!dp->guard_own_is_used || !dp->guard_own)
		return n;
	if (setting("ipv4/tcp_syncookies") != 2 && n < max)
		snprintf(ret[n++], sizeof(ret[0]),
			 "guard: listeners have none, SYNs go to the host: `sysctl "
			 "net.ipv4.tcp_syncookies=2`");
	else if (!own_options() && n < max)
		snprintf(ret[n++], sizeof(ret[0]),
			 "guard: connections by a SYN cookie lose SACK and window scaling: `sysctl "
			 "net.ipv4.tcp_timestamps=2` (with tcp_sack and tcp_window_scaling) keeps "
			 "them, after a reload");
	return n;
}
