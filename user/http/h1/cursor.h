/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the parser of a head is; shared by its parts, of no use to others. */
#pragma once

#include <errno.h>

#include "parse.h"

struct h1_cursor {
	const char *p;	 /* next byte; up to here everything is in order */
	const char *end; /* of what is there, or of max_head_bytes */
	bool response;
	const struct h1_limits *limits;
	struct h1_error *err;
};

/* What is wrong with a request has a status of its own; a bad response is always 502. */
static inline int h1_refuse(struct h1_cursor *c, uint16_t status, const char *why)
{
	*c->err = (struct h1_error) { c->response ? 502 : status, why };
	return -EPROTO;
}

/* Past the CRLF of a line; -EAGAIN, -EPROTO. */
int h1_line_end(struct h1_cursor *c);

/* request-target (RFC 9112 s3.2) into target, path, query and, but for origin-form, authority. */
int h1_target_decode(struct h1_cursor *c, struct str target, struct http_head *h);

/* Field lines and the empty line behind them; -EAGAIN, -EPROTO. */
int h1_fields_decode(struct h1_cursor *c, struct http_head *h);

/* What the fields say about body, connection and host, once all are there; -EPROTO. */
int h1_framing_request(struct h1_cursor *c, struct http_head *h);
int h1_framing_response(struct h1_cursor *c, struct http_head *h, enum http_method request_method);
