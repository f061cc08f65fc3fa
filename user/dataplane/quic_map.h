/* SPDX-License-Identifier: BSD-2-Clause */
/* Maps quic, quic_servers, stats_quic: connection ids that name backends. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice/abi/quic.h"

struct conf;
struct conf_vip;
struct dataplane;
struct vip_map;
struct vip_service;

/* How connection ids of v look, for the service's place in map quic. */
void quic_map_compile(const struct conf_vip *v, struct quic *ret);
/* A bit for each config rotation whose connection ids are encrypted. */
uint8_t quic_map_encrypted(const struct quic *q);
/*
 * Bring map quic in line with all services, and map quic_servers with those of their backends that are
 * to get packets: with a next hop, and a share of their weight by health checks, drained or not.
 */
int quic_map_apply(struct vip_map *m, const struct conf *conf);
/* The same of one service's backends, after hops or shares have changed. */
int quic_map_update(struct vip_map *m, struct vip_service *s);
/* Does a map that was found say that the backend was up? What rings cannot say of one without slots. */
bool quic_map_has(const struct vip_map *m, const struct vip_service *s, size_t backend);
int quic_map_stats(struct dataplane *dp, uint32_t vip_id, struct stats_quic *ret);
