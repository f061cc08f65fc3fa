/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Limits as tables that cost a packet two look-ups: what group is its source in, what service is it
 * to, and which limits do the two meet (abi/limit.h, abi/source.h). Pure: no maps, no class ids.
 *
 * What comes in and what goes out have services of their own, so that a limit meets one direction.
 * Of the limits of one vip, of one port, of one protocol, and of everything, the one with the longest
 * source prefix meets the packet. So it meets at most one of each, in that order.
 */
#pragma once

#include "conf.h"
#include "sluice/abi/source.h"

#define LIMIT_GROUPS (SOURCE_GROUP_MAX + 1)

enum limit_selector {
	LIMIT_TO_VIP,
	LIMIT_TO_PORTS,
	LIMIT_TO_PROTOCOL,
	LIMIT_TO_ALL,
	LIMIT_SELECTORS,
	LIMIT_OF_KIND = LIMIT_SELECTORS,
	LIMIT_TO_NOTHING, /* neither sources nor a destination */
};

/* A bit per limit, by its number: the index in conf->limits and one. Bit 0: of what goes out. */
struct limit_bits {
	uint64_t w[LIMIT_CLASSES / 64];
};

static inline bool limit_bits_has(const struct limit_bits *b, size_t number)
{
	return b->w[number / 64] >> (number % 64) & 1;
}

static inline void limit_bits_set(struct limit_bits *b, size_t number)
{
	b->w[number / 64] |= 1ULL << (number % 64);
}

struct limit_source {
	struct prefix prefix;
	uint8_t group;
};

struct limit_compiled {
	/* Prefixes whose group is not that of the shorter one around them; IPv4 first. */
	struct limit_source *sources;
	size_t n_sources;
	size_t n_groups;   /* with group 0: sources that no limit names */
	size_t n_services; /* with service 0: no vip, port or protocol that a limit names */
	struct limit_bits
		service[LIMIT_SERVICES]; /* limits of the destination, whatever the source */
	/* Up to three limits by group * n_services + service, the most specific first; 0: no more. */
	uint8_t (*set)[LIMIT_SET_CLASSES];
	uint8_t port[LIMIT_PORT_TABLES][65536]; /* service, by enum limit_port_table */
	bool has_ports;				/* of what comes in */
	bool has_egress;
	uint8_t *vip; /* service, by index in conf->vips */
	uint8_t kind[LIMIT_KINDS];
};

/* Which limits an error is about; of a tie, also which of their sources, SIZE_MAX: everybody. */
struct limit_fault {
	size_t limit;
	size_t source;
	size_t other;
	size_t other_source;
};

/*
 * 0 and *ret; -ENOMEM; with *err and *fault:
 *   -EEXIST   two limits of the same prefix and destination
 *   -E2BIG    more than LIMIT_SET_CLASSES meet one packet, or too many groups or services
 */
int limit_compile(const struct conf *conf, struct limit_compiled **ret, struct limit_fault *fault,
		  struct errmsg *err);
void limit_compile_free(struct limit_compiled *c);

enum limit_selector limit_compile_selector(const struct conf *conf, const struct conf_limit *limit);
/* The group of an address, as the tables of the kernel answer it. */
uint8_t limit_compile_group(const struct limit_compiled *c, const struct addr *a);
