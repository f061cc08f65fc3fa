/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose a log line is: never what the line says, when somebody wrote it who may lie. */
#pragma once

#include <stddef.h>

#define LOG_LINE_ROLE_MAX 31
#define LOG_LINE_EXTRA	  256 /* bytes by which a line may grow here */

/*
 * line: one JSON object without control bytes, as base/log.h makes them. Written to `to` (n +
 * LOG_LINE_EXTRA bytes), with "role" in front where it has none. The bytes written, or 0: it is no
 * such object, has another role than this one, more than one, or hides a key behind escapes.
 */
size_t log_line_attribute(const char *line, size_t n, const char *role, char *to);
/* What is written in place of such a line: an event log.forged of this role with its beginning. */
size_t log_line_replace(const char *line, size_t n, const char *role, char *to);
