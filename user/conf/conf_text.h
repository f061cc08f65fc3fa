/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Quantities as people write them: "64KiB", "200ms", "100/s", "10MB/s". Exact in both directions:
 * a text that is no whole number of base units is refused, and what is written is read back equal.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../base/str.h"

#define CONF_TEXT_MAX 48 /* bytes that any quantity needs, NUL included */

/* Digits only. -EINVAL; -ERANGE past 2^64-1. */
int conf_text_u64(struct str text, uint64_t *ret);

/* "200ms", "1.5s", "10m", "1h", "2d", "0" to milliseconds. -EINVAL; -ERANGE. */
int conf_text_duration(struct str text, uint64_t *ret_ms);
void conf_text_duration_format(uint64_t ms, char text[CONF_TEXT_MAX]);

/* "1514", "64KiB", "10MB" (binary and decimal prefixes) to bytes. -EINVAL; -ERANGE. */
int conf_text_size(struct str text, uint64_t *ret_bytes);
void conf_text_size_format(uint64_t bytes, char text[CONF_TEXT_MAX]);

enum conf_text_rate { CONF_TEXT_COUNT = 1, CONF_TEXT_BYTES = 2 };

/*
 * "100/s", "6000/min", "10/h" and, for bytes, "10MB/s", "1MiB/s", "100Mbit/s".
 * Returns which of the two it is, or -EINVAL; -ERANGE. "100/s" is a count.
 */
int conf_text_rate(struct str text, uint64_t *ret_count, uint64_t *ret_period_ns);
void conf_text_rate_format(uint64_t count, uint64_t period_ns, enum conf_text_rate kind,
			   char text[CONF_TEXT_MAX]);
