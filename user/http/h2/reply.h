/* SPDX-License-Identifier: BSD-2-Clause */
/* Heads of responses, written as of HTTP/1.1, as fields of HTTP/2. */
#pragma once

#include <nghttp2/nghttp2.h>

#include "../../base/buf.h"

#define H2_REPLY_FIELDS_MAX 320 /* HTTP_FIELDS_MAX and what we add */

/*
 * Read the head at the start of text (our own writers made it: no folded lines, one ": " behind a
 * name) into ret; names become lower case in place, fields of a connection are left out. The fields
 * point into text. Returns their number and *head_len, the bytes of the head, or -EINVAL.
 */
int h2_reply_fields(struct buf *text, nghttp2_nv ret[H2_REPLY_FIELDS_MAX], size_t *head_len);
/* The same of field lines alone, as trailers are. */
int h2_reply_lines(struct buf *text, nghttp2_nv ret[H2_REPLY_FIELDS_MAX]);
