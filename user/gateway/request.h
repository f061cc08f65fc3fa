/* SPDX-License-Identifier: BSD-2-Clause */
/* From the bytes of a head to a decided exchange. */
#pragma once

#include "conn.h"

/* There may be a head in stream.in: parse, route, ask the policies, start. */
void request_read(struct conn *c);
/* The head did not come in time. */
struct h1_error;
struct h2_stream;
struct http_head;

/* A request of HTTP/2: its head, or (NULL) why it is refused. */
void request_of_stream(struct conn *c, struct h2_stream *s, const struct http_head *h,
		       const struct h1_error *err);
void request_timeout(struct conn *c);
