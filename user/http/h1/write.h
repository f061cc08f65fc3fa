/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Heads written from parsed fields, never from raw bytes. The caller adds fields one by one between
 * start and end. A field with CR, LF or NUL in it is refused: -EINVAL, nothing written.
 */
#pragma once

#include "../../base/buf.h"
#include "../message.h"

int h1_write_request_line(struct buf *out, struct str method, struct str target);
int h1_write_status_line(struct buf *out, unsigned int status);
int h1_write_field(struct buf *out, struct str name, struct str value);
int h1_write_field_u64(struct buf *out, struct str name, uint64_t value);
int h1_write_date(struct buf *out); /* Date: …, formatted once a second */
int h1_write_end(struct buf *out);

/* Chunk framing around data that the caller adds itself. */
int h1_write_chunk(struct buf *out, struct str data);
int h1_write_last_chunk(struct buf *out);
/* Bytes that h1_write_chunk adds to data. */
#define H1_CHUNK_OVERHEAD 20
