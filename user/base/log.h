/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Structured log: one JSON object a line, {"time":…,"level":…,"role":…,"event":…,<fields>}. A process
 * writes to its sink: a descriptor (monitor, supervisor) or a ring that the supervisor empties
 * (workers). Never blocks a worker: a full ring drops the line and counts it. An event is "noun.verb",
 * lower case with underscores inside of a word: "worker.exit", "listener.paused".
 */
#pragma once

#include <stdint.h>

#include "json_write.h"
#include "ring.h"
#include "str.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

struct log_field {
	enum { LOG_F_END, LOG_F_STR, LOG_F_I64, LOG_F_U64, LOG_F_DOUBLE, LOG_F_BOOL } type;
	const char *key;
	struct str str;
	union {
		int64_t i64;
		uint64_t u64;
		double dbl;
	};
};

#define LOG_STR(k, v)	 ((struct log_field) { .type = LOG_F_STR, .key = (k), .str = str_of(v) })
#define LOG_SLICE(k, v)	 ((struct log_field) { .type = LOG_F_STR, .key = (k), .str = (v) })
#define LOG_I64(k, v)	 ((struct log_field) { .type = LOG_F_I64, .key = (k), .i64 = (v) })
#define LOG_U64(k, v)	 ((struct log_field) { .type = LOG_F_U64, .key = (k), .u64 = (v) })
#define LOG_DOUBLE(k, v) ((struct log_field) { .type = LOG_F_DOUBLE, .key = (k), .dbl = (v) })
#define LOG_BOOL(k, v)	 ((struct log_field) { .type = LOG_F_BOOL, .key = (k), .u64 = (v) })

/* role: "monitor", "supervisor", "worker-0". */
void log_open_fd(const char *role, int fd);
void log_open_ring(const char *role, struct ring *ring);
void log_set_level(enum log_level level);
int log_level_parse(const char *name, enum log_level *ret); /* -EINVAL */

void log_write(enum log_level level, const char *event, const struct log_field *fields);
/* What every line begins with, for lines that are built elsewhere: time, level, role, event. */
void log_write_head(struct json_write *w, enum log_level level, const char *event);
/* Write bytes that are already a line (access log; lines drained from a ring). */
void log_write_line(const char *line, size_t n);

#define LOG(level, event, ...)      \
	log_write((level), (event), \
		  (const struct log_field[]) { __VA_ARGS__ __VA_OPT__(, ) { .type = LOG_F_END } })
#define log_error(event, ...) LOG(LOG_ERROR, event __VA_OPT__(, ) __VA_ARGS__)
#define log_warn(event, ...)  LOG(LOG_WARN, event __VA_OPT__(, ) __VA_ARGS__)
#define log_info(event, ...)  LOG(LOG_INFO, event __VA_OPT__(, ) __VA_ARGS__)
#define log_debug(event, ...) LOG(LOG_DEBUG, event __VA_OPT__(, ) __VA_ARGS__)
