/* SPDX-License-Identifier: BSD-2-Clause */
/* Filling the maps of a packet program for a benchmark. What fails ends the program, by name. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "xdp_ingress.skel.h"

#define FILL_CLASS    1
#define FILL_GROUP    1
#define FILL_ROW_BITS 20
#define FILL_STRIDE   1031

__attribute__((noreturn)) void fill_die(const char *what);

/* A limit of packets for everybody; per_s 0: one a day. */
void fill_limit(struct xdp_ingress *xdp, uint64_t per_s, uint64_t burst);
/* Meters of their own for the first n sources of vary.h. */
void fill_proven(struct xdp_ingress *xdp, uint32_t n);
/* Deny so many prefixes of mixed lengths, none of which has a source of vary.h or the packet's. */
void fill_deny(struct xdp_ingress *xdp, uint32_t n, uint32_t sources);
/* So many verdicts on sources, and on flows, that are not the packet's. */
void fill_verdicts(struct xdp_ingress *xdp, uint32_t sources, uint32_t flows);
void fill_verdict_of(struct xdp_ingress *xdp, const uint8_t source[4]);
void fill_vip(struct xdp_ingress *xdp);
