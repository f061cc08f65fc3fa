/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of a world, a file each. */
#pragma once

#include "world.h"

#define WORLD_SECOND_NS 1000000000ULL

void world_response_make(struct draw *d, struct model_policy *w);
void world_guard_make(struct draw *d, struct model_policy *w);
void world_guard_change(struct draw *d, struct model_policy *w);
