/* SPDX-License-Identifier: BSD-2-Clause */
/* Heads as they go on: what of a message is passed, what is removed, what is added. */
#pragma once

#include "exchange.h"

/* The name of this hop in Via and Proxy-Status. */
#define FORWARD_NAME "sluice"

/*
 * Write the head for the endpoint into x->head and set x->upgrade. Negative errno: -EINVAL a field
 * that cannot be written, -ENOSPC.
 */
int forward_head(struct exchange *x, const struct http_head *h, const struct policy_exchange *p);
/* Does it expect anything but 100-continue (RFC 9110 s10.1.1)? */
bool forward_expects_other(const struct http_head *h);
/* Write the response's head into out; sets x->chunk_response, x->until_close, x->keep_alive. */
int forward_response(struct exchange *x, const struct http_head *h, struct buf *out);
/* A 1xx, 101 included. */
int forward_interim(struct exchange *x, const struct http_head *h, struct buf *out);

/* Fields of every response, ours or an endpoint's: request id, limits. */
int forward_write_facts(const struct exchange *x, struct buf *out);
/* Connection, where it has to be said. */
int forward_write_connection(const struct exchange *x, bool keep, struct buf *out);
