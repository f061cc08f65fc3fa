/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * HTTP/1.0 and 1.1 message heads and chunked bodies, strictly (RFC 9110, 9112). One pass over bytes
 * that may arrive in any pieces; whoever got -EAGAIN calls again with more of the same bytes.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "../../base/buf.h"
#include "../message.h"

struct h1_limits {
	uint32_t max_head_bytes;
	uint32_t max_uri_bytes;
	uint32_t max_fields;
};

/* How to answer a head that is refused; `why` goes to the log. */
struct h1_error {
	uint16_t status; /* 400, 414, 431, 501, 505; 502 for responses */
	const char *why; /* "bare LF in a header line" */
};

/*
 * Parse a request head from the first bytes of data. *scanned: bytes known to hold no end of head
 * yet, 0 at first: makes the search linear over several calls; 0 again when they are done.
 * Returns the head's length, or (*ret, as large as it is, is then undefined)
 *   -EAGAIN  not all there yet
 *   -EPROTO  refused: *err says how to answer; the connection is to be closed
 * Empty lines before the start line (RFC 9112 s2.2) are skipped and counted into the length, at most
 * one CRLF.
 */
int h1_parse_request(const char *data, size_t len, size_t *scanned, const struct h1_limits *limits,
		     struct http_head *ret, struct h1_error *err);

/* The same for a response to a request of that method. 1xx heads are returned like others. */
int h1_parse_response(const char *data, size_t len, size_t *scanned, const struct h1_limits *limits,
		      enum http_method request_method, struct http_head *ret, struct h1_error *err);

/* A body being read, by length, in chunks, or until the end of the stream. */
struct h1_body {
	enum http_body kind;
	uint64_t left; /* of the length, or of this chunk */
	uint8_t state;
	uint32_t line_bytes; /* of the chunk-size line or the trailers so far: bounded */
	uint32_t ext_bytes;  /* of chunk extensions beyond the data so far: bounded */
	uint16_t name_len;   /* of the trailer's name so far: below the limit of the trailers */
	uint8_t match;	     /* forbidden names that it can still become, a bit each */
	bool done;
	struct buf
		*trailers; /* where trailer lines are put, at most H1_TRAILERS_MAX; NULL: nowhere */
};

#define H1_TRAILERS_MAX 8192

void h1_body_init(struct h1_body *b, const struct http_head *head);
/* Bytes without framing, up to h1_body_eof: the body of a stream that tells its end itself. */
void h1_body_init_bare(struct h1_body *b);
/*
 * Take wire bytes: *ret is the next run of body data inside data (may be empty), the return value
 * how many bytes of data are used up, framing included; call again until nothing is used and
 * ret->len is 0. Trailers are checked; the lines, without the empty one, are put into b->trailers as
 * they came: none of them frames a message. b->done at the end; what is behind is not used.
 *   -EPROTO  broken framing; *err says why, with 400 also for responses. Not to be called again.
 */
ssize_t h1_body_read(struct h1_body *b, const char *data, size_t len, struct str *ret,
		     struct h1_error *err);

/* The stream ended: 0 and b->done when the body may end there, else -EPROTO: it was cut off. */
int h1_body_eof(struct h1_body *b, struct h1_error *err);
