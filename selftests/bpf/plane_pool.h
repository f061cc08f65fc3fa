/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs that were loaded for a test before. The verifier takes longer than most tests do, in the
 * emulator ten times as long; emptying the maps takes milliseconds.
 */
#pragma once

#include "plane.h"

/* Begin to keep what is loaded: for programs that open planes one after the other, in one thread. */
void plane_pool_start(void);

/*
 * One that is not in use, with empty maps and the clock at 0.
 *   in  of the way out: whose maps it shares, which are left as they are; else NULL
 * False: there is none; what is loaded then can be put there.
 */
bool plane_pool_take(struct plane *p, enum plane_hook hook, const struct plane_settings *s,
		     const struct plane *in);
/* In use until it is given back. */
void plane_pool_put(const struct plane *p, const struct plane_settings *s, const struct plane *in);
/* False: it is not from here. */
bool plane_pool_give_back(const struct plane *p);
/* Is it from here? Then it stays until the process ends. */
bool plane_pool_has(const struct plane *p);
/* May another process have it later? Those that most tests want: each that is left keeps its maps. */
bool plane_pool_may_outlive(const struct plane_settings *s);
/* Empty the maps of one that another process has left. */
void plane_pool_empty(const struct plane *p);
