/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flows whose map got another size. New programs look for a flow in the new map, and where it has none
 * in the old one, so the flip waits for nothing: entries are moved afterwards, in parts of some
 * milliseconds, so that the loop has others to serve. The old map is pinned meanwhile: an agent that is
 * killed leaves the rest to the next one, which begins again. Maps: vip_flow, nat_tuple.
 */
#pragma once

#include <stdbool.h>

#include "../event/loop.h"
#include "map_walk.h"

struct dataplane;
struct pinned_map;

enum map_move_kind { MAP_MOVE_VIP_FLOW, MAP_MOVE_NAT_TUPLE, MAP_MOVES };

struct map_move {
	bool is_on;
	bool is_new; /* begun by this dataplane, whose programs may not be in force yet */
	int fd;	     /* of the old map */
	struct map_walk walk;
	uint64_t moved, lost; /* lost: the new map was full */
};

struct map_moves {
	struct map_move of[MAP_MOVES];
	struct timer timer;
	struct loop *loop;
	char text[160]; /* for `status`; "": nothing is moved */
};

/* What an agent before this one left. Before maps are loaded; no error of it keeps a dataplane closed. */
void map_move_adopt(struct dataplane *dp);
/* After loading: the new programs find it, too. */
void map_move_show(struct dataplane *dp);
/* Is it a map whose entries are moved, being replaced by one of another size? */
bool map_move_is(const struct pinned_map *m);
/*
 * Entries of m's old map stay there, where its new programs find them. -EBUSY: a move of it is going on.
 * Else negative errno.
 */
int map_move_begin(struct dataplane *dp, const struct pinned_map *m);
/* All that is left of a move into the map that m replaces, at once: it gets another size again. */
int map_move_finish(struct dataplane *dp, const struct pinned_map *m);
/* The new programs are in force. */
void map_move_keep(struct dataplane *dp);
/* The new programs were not put in force: the old maps are not old. */
void map_move_undo(struct dataplane *dp);
/* Move in parts from now on, if there is anything to move. */
void map_move_start(struct dataplane *dp, struct loop *loop);
/* What is not moved yet stays where programs find it. */
void map_move_close(struct dataplane *dp);
bool map_move_runs(const struct dataplane *dp, enum map_move_kind kind);
