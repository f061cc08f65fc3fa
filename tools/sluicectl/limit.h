/* SPDX-License-Identifier: BSD-2-Clause */
/* What a limit says of a source, for the nouns that tell of limits. */
#pragma once

#include <jansson.h>
#include <stdio.h>

/* "N left, the next passes …": an object with `tokens` and `next_ms`. */
void limit_print_left(const json_t *left, FILE *out);
