/* SPDX-License-Identifier: BSD-2-Clause */
#include "map_move.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "dataplane_state.h"
#include "pin.h"
#include "sluice/abi/nat.h"

/* Of one turn of the loop, the batch aside in which it ends; behind it the loop has as much. */
#define PART_NS (4 * NS_PER_MS)

static const struct {
	const char *map;
	const char *setting;
	const char *outer; /* where programs find the old one */
} kinds[MAP_MOVES] = {
	[MAP_MOVE_VIP_FLOW] = { "vip_flow", "max_flows", "vip_flow_old" },
	[MAP_MOVE_NAT_TUPLE] = { "nat_tuple", "max_nat_flows", "nat_tuple_old" },
};

static void pin_name(char ret[PIN_NAME_MAX], int kind)
{
	snprintf(ret, PIN_NAME_MAX, PIN_OLD "%s", kinds[kind].map);
}

static int kind_of(const struct pinned_map *m)
{
	int kind = 0;

	while (kind < MAP_MOVES && strcmp(kinds[kind].map, m->name) != 0)
		kind++;
	return kind;
}

bool map_move_is(const struct pinned_map *m)
{
	return m->fate == MAP_RESIZED && kind_of(m) < MAP_MOVES;
}

bool map_move_runs(const struct dataplane *dp, enum map_move_kind kind)
{
	return dp->moves.of[kind].is_on;
}

/* Programs find nothing there any more, and the map goes with its last descriptor. */
static void forget(struct dataplane *dp, int kind)
{
	struct map_move *v = &dp->moves.of[kind];
	const int outer = pinned_map_fd(dp, kinds[kind].outer);
	const uint32_t zero = 0;
	char name[PIN_NAME_MAX];

	if (outer >= 0)
		bpf_map_delete_elem(outer, &zero); /* or there was none */
	pin_name(name, kind);
	pin_remove(dp->dir_fd, name);
	if (!v->is_on)
		return;
	map_walk_clear(&v->walk);
	close(v->fd);
	*v = (struct map_move) { 0 };
}

/* Has it entries of the kind, and of this layout? What is pinned there may be anybody's. */
static bool is_like(int fd, const struct pinned_map *m)
{
	struct map_shape s;

	return m && (m->fate == MAP_ADOPTED || m->fate == MAP_RESIZED) &&
	       pinned_map_shape(fd, &s) == 0 && s.type == m->shape.type &&
	       s.key_bytes == m->shape.key_bytes && s.value_bytes == m->shape.value_bytes;
}

void map_move_adopt(struct dataplane *dp)
{
	char name[PIN_NAME_MAX];

	for (int kind = 0; kind < MAP_MOVES; kind++) {
		int fd;

		pin_name(name, kind);
		fd = pin_get(dp->dir_fd, name);
		if (fd < 0)
			continue;
		if (is_like(fd, pinned_map_find(dp, kinds[kind].map)))
			dp->moves.of[kind] = (struct map_move) { .is_on = true, .fd = fd };
		else
			close(fd);
	}
}

void map_move_show(struct dataplane *dp)
{
	const uint32_t zero = 0;

	for (int kind = 0; kind < MAP_MOVES; kind++) {
		const struct map_move *v = &dp->moves.of[kind];
		const int outer = pinned_map_fd(dp, kinds[kind].outer);

		if (v->is_on && bpf_map_update_elem(outer, &zero, &v->fd, BPF_ANY))
			log_error("dataplane.flows_hidden", LOG_STR("map", kinds[kind].map),
				  LOG_STR("error", strerror(errno)));
	}
}

int map_move_begin(struct dataplane *dp, const struct pinned_map *m)
{
	const int kind = kind_of(m), outer = pinned_map_fd(dp, kinds[kind].outer);
	struct map_move *v = &dp->moves.of[kind];
	const uint32_t zero = 0;
	char name[PIN_NAME_MAX];
	int err;

	if (v->is_on)
		return -EBUSY;
	if (outer < 0)
		return outer;
	pin_name(name, kind);
	pin_remove(dp->dir_fd, name); /* of another kind of map, which nobody could move */
	err = pin_put(dp->dir_fd, name, m->old_fd);
	if (err)
		return err;
	*v = (struct map_move) { .is_on = true,
				 .is_new = true,
				 .fd = fcntl(m->old_fd, F_DUPFD_CLOEXEC, 3) };
	if (v->fd < 0 || bpf_map_update_elem(outer, &zero, &m->old_fd, BPF_ANY)) {
		err = -errno;
		forget(dp, kind);
	}
	return err;
}

void map_move_undo(struct dataplane *dp)
{
	for (int kind = 0; kind < MAP_MOVES; kind++) {
		if (dp->moves.of[kind].is_new)
			forget(dp, kind);
	}
}

void map_move_keep(struct dataplane *dp)
{
	for (int kind = 0; kind < MAP_MOVES; kind++)
		dp->moves.of[kind].is_new = false;
}

/* A tuple of a flow that has ended since: it would be in the way of nobody, but it need not be moved. */
static bool has_ended(const struct nat_flow *flows, uint32_t n, const void *value)
{
	const struct nat_ref *ref = value;

	return flows && (ref->slot >= n ||
			 __atomic_load_n(&flows[ref->slot].life, __ATOMIC_RELAXED) != ref->life);
}

/* Whoever was noted in the new map meanwhile is newer. */
static void move_batch(struct dataplane *dp, int kind, int to_fd, bool is_in_force)
{
	const bool are_tuples = kind == MAP_MOVE_NAT_TUPLE && is_in_force;
	const struct pinned_map *map = are_tuples ? pinned_map_find(dp, "nat_flow") : NULL;
	const struct nat_flow *flows = map ? pinned_map_mem(dp, "nat_flow") : NULL;
	struct map_move *v = &dp->moves.of[kind];

	for (uint32_t i = 0; i < v->walk.n; i++) {
		const void *value = map_walk_value(&v->walk, i);

		if (has_ended(flows, map ? map->shape.max_entries : 0, value))
			continue;
		if (!bpf_map_update_elem(to_fd, map_walk_key(&v->walk, i), value, BPF_NOEXIST))
			v->moved++;
		else if (errno != EEXIST)
			v->lost++;
	}
}

/* 1: there is more; 0: all has been moved. */
static int move_part(struct dataplane *dp, int kind, int to_fd, bool is_in_force, uint64_t part_ns)
{
	const uint64_t began = clock_now_ns();
	struct map_move *v = &dp->moves.of[kind];
	int more = v->walk.keys ? 1 : map_walk_open(&v->walk, v->fd);

	if (more < 0)
		return more;
	do {
		more = map_walk_next(&v->walk);
		move_batch(dp, kind, to_fd, is_in_force);
	} while (more > 0 && clock_now_ns() - began < part_ns);
	return more;
}

static void end(struct dataplane *dp, int kind, int err)
{
	const struct map_move *v = &dp->moves.of[kind];

	if (err || v->lost)
		log_error("dataplane.flows_lost", LOG_STR("map", kinds[kind].map),
			  LOG_U64("lost", v->lost), LOG_STR("error", strerror(-err)));
	log_info("dataplane.flows_moved", LOG_STR("map", kinds[kind].map),
		 LOG_U64("moved", v->moved));
	forget(dp, kind);
}

int map_move_finish(struct dataplane *dp, const struct pinned_map *m)
{
	const int kind = kind_of(m);
	int err;

	if (kind == MAP_MOVES || !dp->moves.of[kind].is_on)
		return 0;
	err = move_part(dp, kind, m->old_fd, false, UINT64_MAX);
	end(dp, kind, err);
	return err;
}

static void tell(struct map_moves *s)
{
	size_t n = 0;

	s->text[0] = '\0';
	for (int kind = 0; kind < MAP_MOVES; kind++) {
		const struct map_walk *w = &s->of[kind].walk;

		if (!s->of[kind].is_on)
			continue;
		n += (size_t)snprintf(s->text + n, sizeof(s->text) - n,
				      "%sdataplane.%s changed: flows are moved to its new map, "
				      "%" PRIu64 "%% so far",
				      n ? "; " : "", kinds[kind].setting,
				      w->buckets ? (uint64_t)100 * w->cursor / w->buckets : 0);
	}
}

static void on_timer(struct timer *t)
{
	struct dataplane *dp = container_of(t, struct dataplane, moves.timer);
	const uint64_t began = clock_now_ns();
	int kind = 0, more;

	while (kind < MAP_MOVES && !dp->moves.of[kind].is_on)
		kind++;
	if (kind < MAP_MOVES) {
		more = move_part(dp, kind, pinned_map_fd(dp, kinds[kind].map), true, PART_NS);
		if (more <= 0)
			end(dp, kind, more);
		timer_start(dp->moves.loop, t, 1 + (clock_now_ns() - began) / NS_PER_MS);
	}
	tell(&dp->moves);
}

void map_move_start(struct dataplane *dp, struct loop *loop)
{
	bool is_on = false;

	for (int kind = 0; kind < MAP_MOVES; kind++) {
		is_on = is_on || dp->moves.of[kind].is_on;
		if (!dp->moves.of[kind]
			     .is_on) /* an agent that was killed may have left something */
			forget(dp, kind);
	}
	if (!is_on || timer_running(&dp->moves.timer))
		return;
	dp->moves.loop = loop;
	dp->moves.timer.on_due = on_timer;
	timer_start(loop, &dp->moves.timer, 1);
	tell(&dp->moves);
}

void map_move_close(struct dataplane *dp)
{
	timer_stop(&dp->moves.timer);
	for (int kind = 0; kind < MAP_MOVES; kind++) {
		struct map_move *v = &dp->moves.of[kind];

		if (!v->is_on)
			continue;
		map_walk_clear(&v->walk);
		close(v->fd);
		v->is_on = false;
	}
}
