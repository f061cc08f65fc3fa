/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Heads written from parsed fields, never from raw bytes. The caller adds fields one by one between
 * start and end. What our own parser would refuse is refused here too, a value with CR, LF, NUL or
 * another control first of all: -EINVAL. No room: -ENOSPC. Nothing is written then.
 */
#pragma once

#include <time.h>

#include "../../base/buf.h"
#include "../message.h"

#define H1_DATE_BYTES 37 /* "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" */

int h1_write_request_line(struct buf *out, struct str method, struct str target);
int h1_write_status_line(struct buf *out, unsigned int status); /* 100..599 */
int h1_write_field(struct buf *out, struct str name, struct str value);
int h1_write_field_u64(struct buf *out, struct str name, uint64_t value);
int h1_write_date(struct buf *out); /* Date: …, formatted once a second */
int h1_write_date_at(struct buf *out, time_t wall_s);
int h1_write_end(struct buf *out);

/* data in the framing of one chunk; nothing for no data, which would end the body. */
int h1_write_chunk(struct buf *out, struct str data);
int h1_write_last_chunk(struct buf *out);
/* With field lines that were written by h1_write_field; none is fine. */
int h1_write_last_chunk_with(struct buf *out, struct str trailers);
/* Bytes that h1_write_chunk adds to data, at most. */
#define H1_CHUNK_OVERHEAD 20
