/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Planes that outlive the process, for the guests of `make test-kernels`: there the verifier takes
 * seconds for a program, and one test program runs after the other. $SLUICE_PLANES is a folder of a
 * bpffs; without it nothing here does anything. Who takes one empties its maps.
 */
#pragma once

#include <stdbool.h>

struct bpf_object;

/*
 * Before an object is loaded: give it the maps that are pinned under name, and let its program be.
 * Returns the program's descriptor; -1: none is there, or this process has it already.
 */
int plane_pin_take(struct bpf_object *object, const char *name);
/* After it was loaded: pin its program and maps under name, unless something is there. */
void plane_pin_keep(const struct bpf_object *object, const char *name);
