/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "json_write.h"

#define REPLACEMENT STR_LIT("\xef\xbf\xbd") /* U+FFFD in UTF-8 */

static void put(struct json_write *w, struct str s)
{
	if (!w->failed && buf_add_str(w->out, s))
		w->failed = true;
}

/*
 * Length of the well-formed UTF-8 sequence at p (n bytes left), 0 when it is none: overlong forms,
 * surrogates and values over U+10FFFF are refused (RFC 3629 s4).
 */
static size_t utf8_len(const unsigned char *p, size_t n)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (n < len || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return len;
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void put_escape(struct json_write *w, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char text[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };

	switch (c) {
	case '"':
		put(w, STR_LIT("\\\""));
		return;
	case '\\':
		put(w, STR_LIT("\\\\"));
		return;
	case '\n':
		put(w, STR_LIT("\\n"));
		return;
	case '\r':
		put(w, STR_LIT("\\r"));
		return;
	case '\t':
		put(w, STR_LIT("\\t"));
		return;
	}
	put(w, (struct str) { text, sizeof(text) });
}

static void put_string(struct json_write *w, struct str s)
{
	const unsigned char *p = (const unsigned char *)s.ptr;
	size_t i = 0, run, len;

	put(w, STR_LIT("\""));
	while (i < s.len && !w->failed) {
		for (run = i; run < s.len && is_plain(p[run]); run++)
			;
		if (run > i) {
			put(w, (struct str) { s.ptr + i, run - i });
			i = run;
			continue;
		}
		if (p[i] < 0x80) { /* DEL too: logs are read on terminals */
			put_escape(w, p[i++]);
			continue;
		}
		len = utf8_len(p + i, s.len - i);
		put(w, len ? (struct str) { s.ptr + i, len } : REPLACEMENT);
		i += len ? len : 1;
	}
	put(w, STR_LIT("\""));
}

/* Most keys and values need no escapes: bytes of `to`, and 0 where one does. */
static size_t copy_plain(char *to, struct str s)
{
	unsigned int special = 0;

	for (size_t i = 0; i < s.len; i++) {
		special |= !is_plain((unsigned char)s.ptr[i]);
		to[i] = s.ptr[i];
	}
	return special ? 0 : s.len;
}

/* "key":value in one piece, value in quotes or not; false: not that simple, and nothing is written. */
static bool put_plain(struct json_write *w, struct str key, struct str value, bool quotes)
{
	char *at = w->failed ? NULL : buf_reserve(w->out, key.len + value.len + 6);
	char *from = at;

	if (!at)
		return false;
	if (!w->first)
		*at++ = ',';
	*at++ = '"';
	if (copy_plain(at, key) != key.len)
		return false;
	at += key.len;
	*at++ = '"';
	*at++ = ':';
	if (quotes)
		*at++ = '"';
	if (copy_plain(at, value) != value.len)
		return false;
	at += value.len;
	if (quotes)
		*at++ = '"';
	buf_commit(w->out, (size_t)(at - from));
	w->first = false;
	return true;
}

static void put_key(struct json_write *w, const char *key)
{
	if (!w->first)
		put(w, STR_LIT(","));
	w->first = false;
	put_string(w, str_of(key));
	put(w, STR_LIT(":"));
}

void json_write_open(struct json_write *w, struct buf *out)
{
	*w = (struct json_write) { .out = out, .mark_bytes = buf_len(out), .first = true };
	put(w, STR_LIT("{"));
}

void json_write_str(struct json_write *w, const char *key, struct str value)
{
	if (put_plain(w, str_of(key), value, true))
		return;
	put_key(w, key);
	put_string(w, value);
}

void json_write_u64(struct json_write *w, const char *key, uint64_t value)
{
	char text[STR_U64_MAX];
	struct str digits = { text, (size_t)(str_put_u64(text, value) - text) };

	if (put_plain(w, str_of(key), digits, false))
		return;
	put_key(w, key);
	put(w, digits);
}

void json_write_i64(struct json_write *w, const char *key, int64_t value)
{
	put_key(w, key);
	if (!w->failed && buf_printf(w->out, "%" PRId64, value))
		w->failed = true;
}

void json_write_double(struct json_write *w, const char *key, double value)
{
	put_key(w, key);
	if (!isfinite(value)) /* JSON has no NaN and no infinity (RFC 8259 s6) */
		put(w, STR_LIT("null"));
	else if (!w->failed && buf_printf(w->out, "%.9g", value))
		w->failed = true;
}

void json_write_bool(struct json_write *w, const char *key, bool value)
{
	put_key(w, key);
	put(w, value ? STR_LIT("true") : STR_LIT("false"));
}

void json_write_raw(struct json_write *w, const char *key, struct str json)
{
	put_key(w, key);
	put(w, json);
}

int json_write_close(struct json_write *w)
{
	put(w, STR_LIT("}"));
	if (!w->failed)
		return 0;
	w->out->end = w->out->start + w->mark_bytes;
	return -ENOSPC;
}
