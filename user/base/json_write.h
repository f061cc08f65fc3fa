/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Write one JSON object without a tree: for log lines and problem bodies. Strings are escaped and
 * invalid UTF-8 becomes U+FFFD. A buffer that is too small cuts nothing: json_write_close says so.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"

struct json_write {
	struct buf *out;
	size_t mark_bytes; /* length of out at open */
	bool first;
	bool failed;
};

void json_write_open(struct json_write *w, struct buf *out);
void json_write_str(struct json_write *w, const char *key, struct str value);
void json_write_u64(struct json_write *w, const char *key, uint64_t value);
void json_write_i64(struct json_write *w, const char *key, int64_t value);
void json_write_double(struct json_write *w, const char *key, double value);
void json_write_bool(struct json_write *w, const char *key, bool value);
/* A value that is JSON already: an array or object written elsewhere. */
void json_write_raw(struct json_write *w, const char *key, struct str json);
/* Close the object; 0 or -ENOSPC (then the bytes written since open are taken back). */
int json_write_close(struct json_write *w);
