/* SPDX-License-Identifier: BSD-2-Clause */
/* What a worker needs before its first revision. */
#pragma once

#include "worker_set.h"

/* Its own of the shared memory. Negative errno of ipc_send. */
int worker_set_send_memory(struct worker_set_row *row);
/* Its socket of each listener of the newest revision, from the monitor, which holds them all. */
int worker_set_send_sockets(struct worker_set_row *row);
