/* SPDX-License-Identifier: BSD-2-Clause */
/* The internal listener's endpoints, from the supervisor's state: /metrics, /livez, /readyz. */
#pragma once

#include "../agent/supervisor.h"

int internal_start(struct supervisor *s, int fd);
void internal_stop(void);
