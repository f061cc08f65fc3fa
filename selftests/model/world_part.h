/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of a world, a file each. */
#pragma once

#include "world.h"

#define WORLD_SECOND_NS 1000000000ULL

struct addr world_mask(struct addr a, uint32_t len_bits);
void world_verdicts(struct draw *d, uint64_t now_ns, struct model_policy *w);
void world_backend(struct draw *d, struct backend *b);
void world_wide(struct draw *d, struct model_policy *w);
void world_ring(struct draw *d, struct model_policy *w);
void world_row_key(struct draw *d, struct limit_row_key *key);
struct limit_set_entry world_set_entry(struct draw *d);
void world_response_make(struct draw *d, struct model_policy *w);
void world_capture_make(struct draw *d, uint64_t now_ns, struct model_policy *w);
void world_nat_make(struct draw *d, struct model_policy *w);
/* In a world that translates: perhaps by this backend. */
void world_nat_backend(struct draw *d, const struct model_policy *w, struct backend *b);
/* Once in a while nothing but connections at a time stands in the way of flows: so there are many. */
void world_nat_quiet(struct draw *d, struct model_policy *w);
void world_nat_change(struct draw *d, struct model_policy *w);
void world_quic_make(struct draw *d, struct model_policy *w);
void world_guard_make(struct draw *d, struct model_policy *w);
void world_guard_change(struct draw *d, struct model_policy *w);
