/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Where the file says it, from 1; 0: it does not, or an operator's change does. */
struct conf_place {
	uint32_t line, column;
};
