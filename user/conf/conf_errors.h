/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "conf.h"

/* Nothing more will be shown: the rest of the work on a message can be spared. */
bool conf_errors_full(const struct conf_errors *errors);

#define CONF_ERRORS_SHOW_BYTES 64
/* A value as it can stand in a message: one line, printable, cut to 40 characters; returns out. */
const char *conf_errors_show(struct str value, char out[CONF_ERRORS_SHOW_BYTES]);
