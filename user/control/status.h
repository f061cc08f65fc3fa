/* SPDX-License-Identifier: BSD-2-Clause */
/* The state of the kernel half in words, for whoever tells it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "../agent/supervisor.h"

/*
 * "attached", "attached to 1 of 2 devices", "not configured", or why there is none. True when it is
 * what the configuration asks for.
 */
bool status_kernel(struct supervisor *s, char *ret, size_t ret_bytes);
