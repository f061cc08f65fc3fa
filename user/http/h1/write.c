/* SPDX-License-Identifier: BSD-2-Clause */
#include "write.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

#include "../chars.h"

/* Reserve, copy all parts, commit: nothing is written when there is no room for the whole. */
static int add_parts(struct buf *out, const struct str *parts, size_t n_parts)
{
	size_t total = 0;

	for (size_t i = 0; i < n_parts; i++)
		total += parts[i].len;

	char *p = buf_reserve(out, total);

	if (!p)
		return -ENOSPC;
	for (size_t i = 0; i < n_parts; i++) {
		if (parts[i].len)
			memcpy(p, parts[i].ptr, parts[i].len);
		p += parts[i].len;
	}
	buf_commit(out, total);
	return 0;
}

#define ADD_PARTS(out, ...)                                    \
	add_parts((out), (const struct str[]) { __VA_ARGS__ }, \
		  sizeof((const struct str[]) { __VA_ARGS__ }) / sizeof(struct str))

static bool all_in(struct str s, unsigned int classes)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!http_char_is(s.ptr[i], classes))
			return false;
	}
	return true;
}

/* Bytes of a field's value: eight at a time where none is a control, a tab or DEL. */
static bool is_value(struct str s)
{
	const uint64_t ones = 0x0101010101010101ULL;
	uint64_t word;
	size_t i = 0;

	for (; s.len - i >= sizeof(word); i += sizeof(word)) {
		memcpy(&word, s.ptr + i, sizeof(word));
		uint64_t del = word ^ 0x7f * ones;

		/* the high bit of a byte: it is below 0x20, or it was 0x7f; obs-text passes */
		if ((((word - 0x20 * ones) & ~word) | ((del - ones) & ~del)) & 0x80 * ones)
			break;
	}
	return all_in((struct str) { s.ptr + i, s.len - i }, HTTP_CHAR_VALUE);
}

/* Decimal digits of value at the end of text. */
static struct str format_u64(uint64_t value, char text[20])
{
	size_t i = 20;

	do {
		text[--i] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	return (struct str) { text + i, 20 - i };
}

int h1_write_request_line(struct buf *out, struct str method, struct str target)
{
	if (method.len == 0 || target.len == 0 || !all_in(method, HTTP_CHAR_TOKEN) ||
	    !all_in(target, HTTP_CHAR_TARGET))
		return -EINVAL;
	return ADD_PARTS(out, method, STR_LIT(" "), target, STR_LIT(" HTTP/1.1\r\n"));
}

int h1_write_status_line(struct buf *out, unsigned int status)
{
	char digits[20];

	if (status < 100 || status > 599)
		return -EINVAL;
	return ADD_PARTS(out, STR_LIT("HTTP/1.1 "), format_u64(status, digits), STR_LIT(" "),
			 str_of(http_status_text(status)), STR_LIT("\r\n"));
}

int h1_write_field(struct buf *out, struct str name, struct str value)
{
	if (name.len == 0 || !all_in(name, HTTP_CHAR_TOKEN) || !is_value(value))
		return -EINVAL;
	return ADD_PARTS(out, name, STR_LIT(": "), value, STR_LIT("\r\n"));
}

int h1_write_field_u64(struct buf *out, struct str name, uint64_t value)
{
	char digits[20];

	return h1_write_field(out, name, format_u64(value, digits));
}

static void two_digits(char *p, int value)
{
	p[0] = (char)('0' + value / 10 % 10);
	p[1] = (char)('0' + value % 10);
}

/* IMF-fixdate (RFC 9110 s5.6.7), not by strftime: that follows the locale. */
static void format_date(char text[H1_DATE_BYTES + 1], time_t wall_s)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char form[] = "Date: Day, 00 Mon 0000 00:00:00 GMT\r\n";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm;

	static_assert(sizeof(form) == H1_DATE_BYTES + 1, "H1_DATE_BYTES");
	gmtime_r(&wall_s, &tm);
	memcpy(text, form, sizeof(form));
	memcpy(text + 6, days + 3 * tm.tm_wday, 3);
	two_digits(text + 11, tm.tm_mday);
	memcpy(text + 14, months + 3 * tm.tm_mon, 3);
	two_digits(text + 18, (tm.tm_year + 1900) / 100);
	two_digits(text + 20, (tm.tm_year + 1900) % 100);
	two_digits(text + 23, tm.tm_hour);
	two_digits(text + 26, tm.tm_min);
	two_digits(text + 29, tm.tm_sec);
}

int h1_write_date_at(struct buf *out, time_t wall_s)
{
	/* A process has one loop and no threads: what it wrote last serves the whole second. */
	static time_t cached_s = -1;
	static char cached[H1_DATE_BYTES + 1];

	if (wall_s != cached_s) {
		format_date(cached, wall_s);
		cached_s = wall_s;
	}
	return buf_add(out, cached, H1_DATE_BYTES);
}

int h1_write_date(struct buf *out)
{
	return h1_write_date_at(out, time(NULL));
}

int h1_write_end(struct buf *out)
{
	return buf_add(out, "\r\n", 2);
}

int h1_write_chunk(struct buf *out, struct str data)
{
	char digits[16];
	size_t i = sizeof(digits);

	if (data.len == 0)
		return 0;
	for (size_t n = data.len; n; n >>= 4)
		digits[--i] = "0123456789abcdef"[n & 15];
	return ADD_PARTS(out, ((struct str) { digits + i, sizeof(digits) - i }), STR_LIT("\r\n"),
			 data, STR_LIT("\r\n"));
}

int h1_write_last_chunk(struct buf *out)
{
	return buf_add(out, "0\r\n\r\n", 5);
}

int h1_write_last_chunk_with(struct buf *out, struct str trailers)
{
	if (!trailers.len)
		return h1_write_last_chunk(out);
	return ADD_PARTS(out, STR_LIT("0\r\n"), trailers, STR_LIT("\r\n"));
}
