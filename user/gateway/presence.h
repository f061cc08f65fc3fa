/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who was served from where: the writer's side of abi/presence.h. Stamped when a request of a
 * consumer is let through, and again while a connection stays open on which one was.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sluice/abi/presence.h"

#define PRESENCE_HOLDS 4 /* consumers remembered per connection */

struct presence {
	struct presence_region *region; /* NULL: nobody asks */
	uint64_t hash_key;		/* peers choose addresses: they must not choose sets */
	uint32_t nat_memory_s;
};

/* Consumers that were served on one connection. */
struct presence_holds {
	uint32_t consumer[PRESENCE_HOLDS];
	uint8_t n;
	bool more; /* than there is room for */
};

void presence_init(struct presence *p, struct presence_region *region);
/* Rounded up: an entry must not look older to us than to the supervisor. */
void presence_set_memory(struct presence *p, uint64_t nat_memory_ms);
void presence_stamp(struct presence *p, const struct addr *source, uint32_t consumer,
		    uint32_t now_s);
void presence_hold(struct presence_holds *h, uint32_t consumer);
/* Stamp all that a connection holds; what it could not remember counts as evicted now. */
void presence_stamp_holds(struct presence *p, const struct presence_holds *h,
			  const struct addr *source, uint32_t now_s);
