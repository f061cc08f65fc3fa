/* SPDX-License-Identifier: BSD-2-Clause */
/* sd_notify(3) without libsystemd. Nothing happens where $NOTIFY_SOCKET is not set. */
#pragma once

#include <stdint.h>

/* "READY=1\n" and its like. 0: nobody waits for an answer. */
int notify_send(const char *state);
/* RELOADING=1 with the time that Type=notify-reload asks for. */
void notify_reloading(void);
/* It stops, and that may take so long from now on, whatever TimeoutStopSec= says. 0. */
int notify_stopping(uint64_t ms);
