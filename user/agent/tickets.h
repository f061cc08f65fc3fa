/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys of TLS session tickets: one set for all workers, replaced twice a day. */
#pragma once

#include "../tls/tls.h"

#define TICKETS_ROTATE_MS (12ULL * 3600 * 1000)

/* A fresh key in front; of the older ones as many stay as there is room for, so that tickets live for
 * a day and a half at most. -EIO: no randomness. */
int tickets_rotate(struct tls_tickets *t);
