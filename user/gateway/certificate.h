/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificates of clients: who came with one, which routes ask for it, what endpoints are told. */
#pragma once

#include "exchange.h"

/* The handshake is done: note whose it is. -ENOMEM. */
int certificate_take(struct conn *c);
/* The handshake failed: say why, once in a while. */
void certificate_refused(struct conn *c);
/* May the route be asked on this connection? false: answered. */
bool certificate_check(struct exchange *x);
/* The fields that tell endpoints; nothing for a client without one. 0, -ENOSPC, -EINVAL. */
int certificate_write(const struct conn *c, struct buf *out);
