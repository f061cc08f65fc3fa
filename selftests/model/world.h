/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random policy, with addresses out of a pool that is small enough for lists, verdicts, limits and
 * packets to meet.
 */
#pragma once

#include "draw.h"
#include "model.h"

/* Of prefixes, of packets; the low half of IPv6 is any. */
struct addr world_source(struct draw *d, bool ipv6);
/* A vip's, or a neighbour's. */
struct addr world_destination(struct draw *d, bool ipv6);
/* Network order; few, so that flows meet. */
uint16_t world_sport(struct draw *d);
uint16_t world_dport(struct draw *d);

/* The beginning of a QUIC packet, up to the end of a connection id; returns its bytes. */
#define WORLD_QUIC_BYTES 32
uint32_t world_quic(struct draw *d, uint8_t ret[WORLD_QUIC_BYTES]);

/* The network that all of it is in: of lane_net_open. */
struct model_host world_host(void);

/* The rates of a class, some of which limit nothing. */
void world_rates(struct draw *d, struct limit_rates *r);
void world_make(struct draw *d, uint64_t now_ns, struct model_policy *ret);
/* What an operator or the agent may do while packets flow; lists stay. Of *state: who is proven. */
void world_change(struct draw *d, uint64_t now_ns, struct model_policy *policy,
		  struct model_state *state);
