/* SPDX-License-Identifier: BSD-2-Clause */
/* The worker process: one loop, one gateway, no capability; told by messages (agent/message.h). */
#pragma once

#include <stdint.h>

/* monitor_fd: from here the worker gets its supervisor's socket, again after each restart of it.
 * Returns the exit status. */
int worker_run(uint32_t slot, int monitor_fd);
