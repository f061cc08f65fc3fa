/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread that carries log lines from rings to a descriptor, so that a reader who stopped (a full
 * pipe) stalls nobody: the rings fill, and who writes to them drops and counts.
 */
#pragma once

#include <stddef.h>

#include "../base/ring.h"
#include "counters.h"
#include "log_line.h"

struct log_pump;

/* role: whose lines they are; "" believes them. */
struct log_pump_source {
	struct ring *ring;
	char role[LOG_LINE_ROLE_MAX + 1];
};

/*
 * The rings are the pump's to read from here on, and have to outlive it. counters (may be NULL) get
 * what was not believed. Negative errno.
 */
int log_pump_start(const struct log_pump_source *sources, size_t n, int fd,
		   struct counters *counters, struct log_pump **ret);
/* Write what is there, for at most a second where the reader does not read. */
void log_pump_stop(struct log_pump *p);
