/* SPDX-License-Identifier: BSD-2-Clause */
/* Fields behind a body (RFC 9110 s6.5): which of them go on. */
#pragma once

#include "exchange.h"

/*
 * The request's, or the response's, as lines that can follow a last chunk: what must not come this
 * late, what endpoints would believe and what belongs to this hop is left out. 0, or -ENOSPC.
 */
int trailer_write_request(struct exchange *x, struct buf *out);
int trailer_write_response(struct exchange *x, struct buf *out);
/* Does the client want to have them (TE: trailers)? */
bool trailer_wanted(const struct http_head *h);
