/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ids of groups and services, so that a change of limits is never seen half: what keeps its meaning
 * keeps its id, and another meaning takes an id that nobody uses. Works on memory of the layout of
 * maps limit_set and limit_port.
 *
 * Order of a change: limit_set_write, then the sources to their groups, then limit_set_write_ports
 * and the vips to their services. In between a packet meets limits that it met before or that it will
 * meet, and no others; but for a source that joins a group which stays: at a destination whose service
 * is going away it meets what that group met.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/errmsg.h"
#include "conf/limit_compile.h"

/* What is in force. */
struct limit_live {
	struct limit_set *set;		   /* LIMIT_GROUPS of them */
	struct limit_ports *ports;	   /* by enum limit_port_table */
	const uint8_t *vip;		   /* service by index in conf->vips; 0: not there yet */
	bool group_used[LIMIT_GROUPS];	   /* a source may have it */
	bool service_used[LIMIT_SERVICES]; /* a vip may have it */
};

struct limit_plan {
	uint8_t group[LIMIT_GROUPS]; /* id, by compiled group */
	bool group_kept[LIMIT_GROUPS];
	uint8_t service[LIMIT_SERVICES]; /* id, by compiled service */
	bool service_kept[LIMIT_SERVICES];
	/* By id: the compiled services that its destinations will have. */
	struct limit_bits becomes[LIMIT_SERVICES];
	bool service_live[LIMIT_SERVICES]; /* by id */
};

/*
 *   ids     class, by number of the limit; [0] is LIMIT_CLASS_NONE
 *   n_vips  of live->vip and c->vip
 * -ENOSPC and *err: what is in force and what is wanted do not fit beside each other.
 */
int limit_set_plan(const struct limit_compiled *c, size_t n_vips, const uint8_t *ids,
		   const struct limit_live *live, struct limit_plan *ret, struct errmsg *err);
void limit_set_write(const struct limit_compiled *c, const uint8_t *ids,
		     const struct limit_plan *plan, struct limit_live *live);
void limit_set_write_ports(const struct limit_compiled *c, const struct limit_plan *plan,
			   struct limit_ports *ports);
/* Take a class out of all sets, so that its id can be another's. */
void limit_set_forget(struct limit_set *set, uint8_t limit_class);
