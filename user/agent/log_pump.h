/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread that carries log lines from rings to a descriptor, so that a reader who stopped (a full
 * pipe) stalls nobody: the rings fill, and who writes to them drops and counts.
 */
#pragma once

#include <stddef.h>

#include "../base/ring.h"

struct log_pump;

/* The rings are the pump's to read from here on, and have to outlive it. Negative errno. */
int log_pump_start(struct ring *const *rings, size_t n, int fd, struct log_pump **ret);
/* Write what is there, for at most a second where the reader does not read. */
void log_pump_stop(struct log_pump *p);
