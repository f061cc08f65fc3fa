/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random limits over few addresses, ports and vips, so that they meet, nest and clash, and a reading
 * of them one by one. Include after cmocka.h.
 */
#pragma once

#include "conf/limit_compile.h"

#define LIMIT_WORLD_VIPS   4
#define LIMIT_WORLD_LIMITS 12
#define LIMIT_WORLD_PORTS  16 /* destination ports of packets are below */
#define NO_VIP		   (-1)

struct limit_packet {
	struct addr src;
	int vip; /* index, or NO_VIP */
	uint8_t protocol;
	uint16_t dport; /* 0: a fragment */
};

struct limit_world {
	uint64_t seed;
	struct conf conf;
	struct conf_vip vips[LIMIT_WORLD_VIPS];
	struct conf_limit limits[LIMIT_WORLD_LIMITS];
	struct prefix sources[LIMIT_WORLD_LIMITS][3];
	struct conf_ports ports[LIMIT_WORLD_LIMITS][2];
	char *names[LIMIT_WORLD_LIMITS][2];
	char vip_name[LIMIT_WORLD_VIPS][24];
	char limit_name[LIMIT_WORLD_LIMITS][24];
};

/* 0..n-1 */
uint32_t limit_world_any(struct limit_world *w, uint32_t n);
/* Anew from w->seed, which moves on. */
void limit_world_make(struct limit_world *w);
/* The same vips, and each limit as it was, changed or made anew. */
void limit_world_change(struct limit_world *w, const struct limit_world *from);
struct limit_packet limit_world_packet(struct limit_world *w);
/*
 * Numbers of the limits that meet the packet, the most specific first, then 0; how many. -1: two of a
 * selector have the same prefix.
 */
int limit_world_met(const struct limit_world *w, const struct limit_packet *p,
		    uint8_t ret[LIMIT_SELECTORS]);
