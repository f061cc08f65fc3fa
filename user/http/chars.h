/* SPDX-License-Identifier: BSD-2-Clause */
/* Classes of bytes, one table look-up each (RFC 9110 s5.6.2, RFC 3986 s2). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum http_char {
	HTTP_CHAR_TOKEN = 1,  /* tchar: methods, field names, connection options */
	HTTP_CHAR_VALUE = 2,  /* field-vchar, SP, HTAB; obs-text is let through */
	HTTP_CHAR_TARGET = 4, /* visible ASCII but '#': more than a URI may have, see http1.md */
	HTTP_CHAR_HOST = 8,   /* letters, digits, "-", ".", "_" */
	HTTP_CHAR_UNRESERVED = 16, /* need no percent-encoding */
	HTTP_CHAR_DIGIT = 32,
	HTTP_CHAR_HEX = 64,
};

extern const uint8_t http_chars[256];

static inline bool http_char_is(char c, unsigned int classes)
{
	return (http_chars[(uint8_t)c] & classes) != 0;
}

/* The value of a HTTP_CHAR_HEX. */
static inline uint8_t http_char_hex(char c)
{
	return (uint8_t)((c & 0x0f) + (c > '9' ? 9 : 0));
}
