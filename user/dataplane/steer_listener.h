/* SPDX-License-Identifier: BSD-2-Clause */
/* Listeners that something is steered to: an index each, kept over restarts, and their sockets. */
#pragma once

#include "steer_map.h"

struct steer_listeners {
	struct steer_listener record[STEER_LISTENERS_MAX]; /* as in map steer_listeners */
};

int steer_listener_read(struct dataplane *dp, struct steer_listeners *ret);
/* Its index; "" finds a free one. -1: none. */
int steer_listener_find(const struct steer_listeners *s, const char *name);
/* Put its sockets into the map. *ret: its index. -ENOSPC, what sockets->open returned, ... */
int steer_listener_put(struct dataplane *dp, struct steer_listeners *s,
		       const struct conf_listener *l, const struct steer_sockets *sockets,
		       uint16_t *ret);
/* Forget those that no rule of conf names: after the rules that did are gone. */
void steer_listener_free_others(struct dataplane *dp, struct steer_listeners *s,
				const struct conf *conf);
