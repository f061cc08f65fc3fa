/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The five maps of abi/source.h and a table over them, random lists that meet each other, a plain
 * reading of lists, and a look-up over the maps that goes by the words of the header.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/source_table.h"

#define LIST_MAX 48
#define LOST	 0xee /* look_up: the byte says that there is a split entry, and there is none */

struct source_world {
	struct source_maps maps;
	const uint8_t *v4;
	const struct source_v6_line *v6_lines;
	struct source_table *t;
	uint64_t random;
	bool use_feed; /* a part of deny is applied as feed, what is denied changes as few prefixes */
};

struct source_case {
	struct prefix allow[LIST_MAX];
	struct prefix deny[LIST_MAX];
	struct source_group_prefix group[LIST_MAX];
	size_t n_allow;
	size_t n_deny;
	size_t n_groups;
};

struct source_world *source_world_open(uint32_t max); /* TEST_SEED=n: other random lists */
void source_world_close(struct source_world *w);

uint32_t source_world_draw(struct source_world *w, uint32_t below);
struct prefix source_world_prefix_of(const char *text);
struct addr source_world_addr_of(const char *text);

/* What a packet finds, and what the lists say. */
uint8_t source_world_look_up(const struct source_world *w, const struct addr *a);
uint8_t source_world_naive(const struct source_case *l, const struct addr *a);

/* Is an address looked up in the prefix of this length that covers it? addr: as in abi/source.h. */
bool source_world_asks(const struct source_v6_line *lines, uint64_t addr, uint32_t len);
/* How many lines of source_v6_lines say anything. */
uint32_t source_world_v6_lines(const struct source_world *w);

struct prefix source_world_prefix(struct source_world *w);
void source_world_lists(struct source_world *w, struct source_case *l);
/* Some of it stays: a change like that of a day's list. */
void source_world_vary(struct source_world *w, const struct source_case *from,
		       struct source_case *to);
void source_world_apply(struct source_world *w, const struct source_case *l);

/* The ends of a prefix, what is beside them, and somewhere inside: i is 0..4. */
struct addr source_world_probe(struct source_world *w, const struct prefix *p, int i);
/* Fail unless maps, agent and lists agree there; at every prefix of the lists. */
void source_world_check_at(struct source_world *w, const struct source_case *l,
			   const struct prefix *p);
void source_world_check(struct source_world *w, const struct source_case *l);
