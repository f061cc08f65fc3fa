/* SPDX-License-Identifier: BSD-2-Clause */
/* Bodies as they come over the wire (RFC 9112 s6.3, s7.1). */
#include <errno.h>

#include "../chars.h"
#include "parse.h"

/*
 * A chunk-size line: digits and extensions. The extensions of one body may be SLACK bytes longer
 * than its data: else a body could be nearly nothing but them (Go's CVE-2023-39326).
 */
#define CHUNK_LINE_MAX_BYTES  512
#define CHUNK_EXT_SLACK_BYTES 4096
#define CHUNK_SIZE_MAX	      ((uint64_t)INT64_MAX >> 8) /* one more digit still fits */

enum state {
	DATA,	    /* of a length, of a chunk, until the end */
	SIZE_FIRST, /* the first digit of a chunk size */
	SIZE,
	EXT_NAME_FIRST, /* chunk-ext, without the white space that RFC 9112 calls bad */
	EXT_NAME,
	EXT_VALUE_FIRST,
	EXT_VALUE,
	EXT_QUOTED,
	EXT_QUOTED_PAIR,
	EXT_QUOTED_END,
	SIZE_LF,
	DATA_CR, /* behind the data of a chunk */
	DATA_LF,
	TRAILER_FIRST, /* the first byte of a line */
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_LF,
	LAST_LF,
};

void h1_body_init(struct h1_body *b, const struct http_head *head)
{
	*b = (struct h1_body) { .kind = head->body, .state = DATA };
	switch (head->body) {
	case HTTP_BODY_NONE:
		b->done = true;
		break;
	case HTTP_BODY_LENGTH:
		b->left = head->content_length;
		b->done = b->left == 0;
		break;
	case HTTP_BODY_CHUNKED:
		b->state = SIZE_FIRST;
		break;
	case HTTP_BODY_UNTIL_CLOSE:
		b->left = UINT64_MAX;
		break;
	}
}

void h1_body_init_bare(struct h1_body *b)
{
	*b = (struct h1_body) { .kind = HTTP_BODY_UNTIL_CLOSE, .state = DATA, .left = UINT64_MAX };
}

static int refuse(struct h1_error *err, const char *why)
{
	*err = (struct h1_error) { 400, why };
	return -EPROTO;
}

static int size_digit(struct h1_body *b, char c, struct h1_error *err)
{
	if (b->left > CHUNK_SIZE_MAX)
		return refuse(err, "chunk size too large");
	b->left = b->left << 4 | http_char_hex(c);
	b->state = SIZE;
	return 0;
}

/* What may follow a size, an extension's name, or its value. */
static int size_end(struct h1_body *b, char c, struct h1_error *err)
{
	if (c == '\r')
		b->state = SIZE_LF;
	else if (c == ';')
		b->state = EXT_NAME_FIRST;
	else
		return refuse(err, c == '\n' ? "bare LF behind a chunk size" : "bad chunk size");
	return 0;
}

/* One byte of chunk-ext (RFC 9112 s7.1.1): *( ";" token [ "=" ( token / quoted-string ) ] ). */
static int ext_byte(struct h1_body *b, char c, struct h1_error *err)
{
	bool token = http_char_is(c, HTTP_CHAR_TOKEN);

	if (++b->ext_bytes > CHUNK_EXT_SLACK_BYTES)
		return refuse(err, "too many chunk extensions");
	switch (b->state) {
	case EXT_NAME_FIRST:
		b->state = EXT_NAME;
		return token ? 0 : refuse(err, "malformed chunk extension");
	case EXT_NAME:
		if (token)
			return 0;
		if (c != '=')
			return size_end(b, c, err);
		b->state = EXT_VALUE_FIRST;
		return 0;
	case EXT_VALUE_FIRST:
		b->state = c == '"' ? EXT_QUOTED : EXT_VALUE;
		return token || c == '"' ? 0 : refuse(err, "malformed chunk extension");
	case EXT_VALUE:
		return token ? 0 : size_end(b, c, err);
	case EXT_QUOTED:
		if (c == '"')
			b->state = EXT_QUOTED_END;
		else if (c == '\\')
			b->state = EXT_QUOTED_PAIR;
		else if (!http_char_is(c, HTTP_CHAR_VALUE))
			return refuse(err, "malformed chunk extension");
		return 0;
	case EXT_QUOTED_PAIR:
		b->state = EXT_QUOTED;
		return http_char_is(c, HTTP_CHAR_VALUE) ? 0
							: refuse(err, "malformed chunk extension");
	default: /* EXT_QUOTED_END */
		return size_end(b, c, err);
	}
}

/* The size line is complete: data follows, or the trailers. */
static void size_done(struct h1_body *b)
{
	b->line_bytes = 0;
	b->ext_bytes = b->left < b->ext_bytes ? b->ext_bytes - (uint32_t)b->left : 0;
	b->state = b->left ? DATA : TRAILER_FIRST;
}

static int size_byte(struct h1_body *b, char c, struct h1_error *err)
{
	if (++b->line_bytes > CHUNK_LINE_MAX_BYTES)
		return refuse(err, "chunk-size line too long");
	switch (b->state) {
	case SIZE_FIRST:
		return http_char_is(c, HTTP_CHAR_HEX) ? size_digit(b, c, err)
						      : refuse(err, "bad chunk size");
	case SIZE:
		return http_char_is(c, HTTP_CHAR_HEX) ? size_digit(b, c, err) : size_end(b, c, err);
	case SIZE_LF:
		if (c != '\n')
			return refuse(err, "bare CR behind a chunk size");
		size_done(b);
		return 0;
	default:
		return ext_byte(b, c, err);
	}
}

/*
 * What must not come this late (RFC 9110 s6.5.1) and somebody could obey none the less is refused,
 * though trailers are passed on by a list of our own, or dropped.
 */
static const struct str forbidden_trailers[] = {
	{ "content-length", 14 },
	{ "transfer-encoding", 17 },
	{ "connection", 10 },
};
#define N_FORBIDDEN (sizeof(forbidden_trailers) / sizeof(forbidden_trailers[0]))

/* One more byte of a trailer's name: which of those can it still be? */
static void trailer_match(struct h1_body *b, char c)
{
	for (size_t i = 0; i < N_FORBIDDEN; i++) {
		const struct str *name = &forbidden_trailers[i];

		if (b->name_len >= name->len || (c | 0x20) != name->ptr[b->name_len])
			b->match &= (uint8_t) ~(1U << i);
	}
	b->name_len++;
}

static int trailer_name_end(struct h1_body *b, struct h1_error *err)
{
	for (size_t i = 0; i < N_FORBIDDEN; i++) {
		if (b->match & 1U << i && b->name_len == forbidden_trailers[i].len)
			return refuse(err, "framing or connection field in the trailers");
	}
	b->state = TRAILER_VALUE;
	return 0;
}

/* A byte of a name, or what ends it. */
static int trailer_name_byte(struct h1_body *b, char c, struct h1_error *err)
{
	if (c == ':' && b->name_len > 0)
		return trailer_name_end(b, err);
	if (!http_char_is(c, HTTP_CHAR_TOKEN))
		return refuse(err, "malformed trailer");
	trailer_match(b, c);
	return 0;
}

/* Lines are kept, the empty one behind them is not. */
static int trailer_keep(struct h1_body *b, char c, struct h1_error *err)
{
	bool of_line = b->state != LAST_LF && !(b->state == TRAILER_FIRST && c == '\r');

	if (!b->trailers || !of_line || buf_add(b->trailers, &c, 1) == 0)
		return 0;
	*err = (struct h1_error) { 431, "trailers too large" };
	return -EPROTO;
}

static int trailer_byte(struct h1_body *b, char c, struct h1_error *err)
{
	if (trailer_keep(b, c, err))
		return -EPROTO;
	if (++b->line_bytes > H1_TRAILERS_MAX) {
		*err = (struct h1_error) { 431, "trailers too large" };
		return -EPROTO;
	}
	switch (b->state) {
	case TRAILER_FIRST:
		if (c == '\r') {
			b->state = LAST_LF;
			return 0;
		}
		b->state = TRAILER_NAME;
		b->name_len = 0;
		b->match = (1U << N_FORBIDDEN) - 1;
		return trailer_name_byte(b, c, err);
	case TRAILER_NAME:
		return trailer_name_byte(b, c, err);
	case TRAILER_VALUE:
		if (c == '\r')
			b->state = TRAILER_LF;
		else if (!http_char_is(c, HTTP_CHAR_VALUE))
			return refuse(err,
				      c == '\n' ? "bare LF in a trailer" : "malformed trailer");
		return 0;
	default: /* TRAILER_LF, LAST_LF */
		if (c != '\n')
			return refuse(err, "bare CR in a trailer");
		b->done = b->state == LAST_LF;
		b->state = TRAILER_FIRST;
		return 0;
	}
}

/* One byte of framing. */
static int framing_byte(struct h1_body *b, char c, struct h1_error *err)
{
	switch (b->state) {
	case DATA_CR:
		b->state = DATA_LF;
		return c == '\r' ? 0 : refuse(err, "no CRLF behind the data of a chunk");
	case DATA_LF:
		b->state = SIZE_FIRST;
		return c == '\n' ? 0 : refuse(err, "no CRLF behind the data of a chunk");
	case TRAILER_FIRST:
	case TRAILER_NAME:
	case TRAILER_VALUE:
	case TRAILER_LF:
	case LAST_LF:
		return trailer_byte(b, c, err);
	default:
		return size_byte(b, c, err);
	}
}

ssize_t h1_body_read(struct h1_body *b, const char *data, size_t len, struct str *ret,
		     struct h1_error *err)
{
	size_t i = 0;

	while (i < len && !b->done && b->state != DATA) {
		int bad = framing_byte(b, data[i++], err);

		if (bad)
			return bad;
	}
	*ret = (struct str) { data + i, 0 };
	if (b->done || b->state != DATA)
		return (ssize_t)i;

	size_t n = len - i;

	if (b->kind == HTTP_BODY_UNTIL_CLOSE) {
		ret->len = n;
		return (ssize_t)len;
	}
	if (n > b->left)
		n = (size_t)b->left;
	ret->len = n;
	b->left -= n;
	if (b->left == 0 && b->kind == HTTP_BODY_LENGTH)
		b->done = true;
	else if (b->left == 0)
		b->state = DATA_CR;
	return (ssize_t)(i + n);
}

int h1_body_eof(struct h1_body *b, struct h1_error *err)
{
	if (b->done || b->kind == HTTP_BODY_UNTIL_CLOSE) {
		b->done = true;
		return 0;
	}
	return refuse(err, "connection closed within a body");
}
