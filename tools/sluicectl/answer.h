/* SPDX-License-Identifier: BSD-2-Clause */
/* One answer of the agent on standard output, or why it refused on standard error. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "command.h"

/* How sluicectl ends: it was done, the agent refused or is not there, the words make no sense. */
enum { EXIT_DONE, EXIT_REFUSED, EXIT_USAGE };

/* EXIT_DONE or EXIT_REFUSED. */
int answer_print(const struct command *c, const json_t *answer, bool as_json);
