/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "json_write.h"
#include "log.h"
#include "metric.h"

#define LOG_LINE_MAX_BYTES 8192U
#define LOG_ROLE_MAX	   32

static const char *const level_names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

/* The one log of this process: where lines go until a sink is opened is stderr. */
static struct {
	char role[LOG_ROLE_MAX];
	int fd;
	struct ring *ring;
	enum log_level level;
	struct buf line;
} sink = { .role = "sluiced", .fd = STDERR_FILENO, .level = LOG_INFO };

static void log_open(const char *role, int fd, struct ring *ring)
{
	snprintf(sink.role, sizeof(sink.role), "%s", role);
	sink.fd = fd;
	sink.ring = ring;
}

void log_open_fd(const char *role, int fd)
{
	log_open(role, fd, NULL);
}

void log_open_ring(const char *role, struct ring *ring)
{
	log_open(role, -1, ring);
}

void log_set_level(enum log_level level)
{
	sink.level = level;
}

int log_level_parse(const char *name, enum log_level *ret)
{
	for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
		if (strcmp(name, level_names[i]) == 0) {
			*ret = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* One write(2) a line, so that lines of several processes on one pipe do not mix. */
static void emit(const char *line, size_t n)
{
	ssize_t done;

	if (sink.ring) {
		if (ring_write(sink.ring, line, n))
			metric_add(METRIC_LOG_DROPPED, 1);
		return;
	}
	while (n) {
		done = write(sink.fd, line, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0) {
			metric_add(METRIC_LOG_DROPPED, 1);
			return;
		}
		line += done;
		n -= (size_t)done;
	}
}

/* RFC 3339 in UTC with microseconds; a second is put into words once, for it may have many lines. */
static struct str format_time(char buf[32])
{
	static struct {
		time_t at;
		char text[24];
	} second = { .at = -1 };
	uint64_t now_ns = clock_wall_ns();
	time_t s = (time_t)(now_ns / NS_PER_S);
	uint64_t us = now_ns % NS_PER_S / 1000;
	struct tm tm;
	size_t n;

	if (s != second.at) {
		gmtime_r(&s, &tm);
		strftime(second.text, sizeof(second.text), "%Y-%m-%dT%H:%M:%S", &tm);
		second.at = s;
	}
	n = strlen(second.text);
	memcpy(buf, second.text, n);
	buf[n] = '.';
	for (size_t i = 6; i > 0; i--, us /= 10)
		buf[n + i] = (char)('0' + us % 10);
	buf[n + 7] = 'Z';
	return (struct str) { buf, n + 8 };
}

void log_write_head(struct json_write *w, enum log_level level, const char *event)
{
	char time_text[32];

	json_write_str(w, "time", format_time(time_text));
	json_write_str(w, "level", str_of(level_names[level]));
	json_write_str(w, "role", str_of(sink.role));
	json_write_str(w, "event", str_of(event));
}

static void write_field(struct json_write *w, const struct log_field *f)
{
	switch (f->type) {
	case LOG_F_STR:
		json_write_str(w, f->key, f->str);
		break;
	case LOG_F_I64:
		json_write_i64(w, f->key, f->i64);
		break;
	case LOG_F_U64:
		json_write_u64(w, f->key, f->u64);
		break;
	case LOG_F_DOUBLE:
		json_write_double(w, f->key, f->dbl);
		break;
	case LOG_F_BOOL:
		json_write_bool(w, f->key, f->u64 != 0);
		break;
	case LOG_F_END:
		break;
	}
}

/* fields NULL: say that they did not fit instead. */
static int build_line(enum log_level level, const char *event, const struct log_field *fields)
{
	struct json_write w;

	json_write_open(&w, &sink.line);
	log_write_head(&w, level, event);
	if (!fields)
		json_write_bool(&w, "fields_too_long", true);
	for (; fields && fields->type != LOG_F_END; fields++)
		write_field(&w, fields);
	return json_write_close(&w);
}

static void line_reset(void)
{
	sink.line.max_bytes = LOG_LINE_MAX_BYTES;
	buf_consume(&sink.line, buf_len(&sink.line));
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
	if (level > sink.level)
		return;
	line_reset();
	sink.line.max_bytes--; /* the newline */
	if (build_line(level, event, fields) && build_line(level, event, NULL)) {
		metric_add(METRIC_LOG_DROPPED, 1);
		return;
	}
	sink.line.max_bytes++;
	if (buf_add(&sink.line, "\n", 1) == 0)
		emit(buf_head(&sink.line), buf_len(&sink.line));
}

void log_write_line(const char *line, size_t n)
{
	char *copy;

	if (n && line[n - 1] == '\n')
		n--;
	line_reset();
	copy = n ? buf_reserve(&sink.line, n + 1) : NULL;
	if (!copy) {
		metric_add(METRIC_LOG_DROPPED, 1);
		return;
	}
	/* valid JSON has no control bytes: a line from a worker must not forge another line */
	memcpy(copy, line, n);
	str_no_controls(copy, n);
	copy[n] = '\n';
	emit(copy, n + 1);
}
