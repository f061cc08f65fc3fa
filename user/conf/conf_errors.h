/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "conf.h"

/* Add one, or count it as suppressed. Returns -EINVAL. */
int conf_errors_add(struct conf_errors *errors, uint32_t line, uint32_t column, const char *fmt,
		    ...) __attribute__((format(printf, 4, 5)));
/* Nothing more will be shown: the rest of the work on a message can be spared. */
bool conf_errors_full(const struct conf_errors *errors);
/* By line and column; errors of the whole first. */
void conf_errors_sort(struct conf_errors *errors);

#define CONF_ERRORS_SHOW_BYTES 64
/* A value as it can stand in a message: one line, printable, cut to 40 characters; returns out. */
const char *conf_errors_show(struct str value, char out[CONF_ERRORS_SHOW_BYTES]);
