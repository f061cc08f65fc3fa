/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The head of an HTTP/2 request on its way to struct http_head. It is written out as the head of an
 * HTTP/1.1 request, field by field, and read by that parser: what is refused, what is too long and
 * how it is answered is the same for both by construction. What only HTTP/2 can get wrong is refused
 * here: pseudo-fields, fields of a connection, :authority against Host (RFC 9113 s8.2, s8.3).
 */
#pragma once

#include "../../base/buf.h"
#include "../h1/parse.h"

struct h2_head {
	struct h1_limits limits;
	struct buf text;   /* as HTTP/1.1 would have it, so far */
	struct buf pseudo; /* the texts of pseudo-fields, behind each other */
	struct buf cookie; /* crumbs, joined (RFC 9113 s8.2.3) */
	size_t bytes;	   /* decoded in all: bounds what a compressed head expands to */
	struct str_range { /* in pseudo; .there: was given */
		uint32_t at, len;
		bool there;
	} method, scheme, authority, path;
	bool started; /* the request line is written */
	bool has_length;
	struct h1_error err; /* the first thing that was wrong; status 0: nothing */
};

void h2_head_init(struct h2_head *h, const struct h1_limits *limits);
void h2_head_clear(struct h2_head *h); /* for the next request; frees */

/*
 * One decoded field. What is wrong with it is remembered for h2_head_end.
 *   -EMSGSIZE  so much more than the limits that decoding on is not worth it: close the connection
 */
int h2_head_add(struct h2_head *h, struct str name, struct str value);

/*
 * All fields are there. body: DATA may follow. Returns 0 and *ret, whose texts are valid until
 * h2_head_clear, or -EPROTO and how to answer. A body of unknown length is HTTP_BODY_CHUNKED.
 */
int h2_head_end(struct h2_head *h, bool body, struct http_head *ret, struct h1_error *err);

/* A field of the connection (RFC 9113 s8.2.2): there is none to speak of, requests must not have it. */
bool h2_is_of_connection(enum http_name name);
