/* SPDX-License-Identifier: BSD-2-Clause */
/* The secret key of the rows, in map limit_state; its change is limit_map_rotate. */
#pragma once

#include "sluice/abi/limit.h"

/* Make one where there is none yet. -EIO: no randomness. */
int limit_key_first(struct limit_state *state);
