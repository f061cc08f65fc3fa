/* SPDX-License-Identifier: BSD-2-Clause */
/* What comes behind the answer to `upgrade`. */
#pragma once

#include <jansson.h>

/*
 * Wait until another supervisor than that of the answer is ready, and say so; with json in its status.
 * The exit status.
 */
int upgrade_await(const char *socket, const json_t *answer, bool json);
