/* SPDX-License-Identifier: BSD-2-Clause */
#include "reply.h"

#include <errno.h>

#include "../message.h"
#include "head.h"

#define STATUS_AT  9 /* behind "HTTP/1.1 " */
#define STATUS_LEN 3

static nghttp2_nv field(char *name, size_t name_len, char *value, size_t value_len)
{
	return (nghttp2_nv) {
		.name = (uint8_t *)name,
		.namelen = name_len,
		.value = (uint8_t *)value,
		.valuelen = value_len,
	};
}

static void lower(char *name, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (name[i] >= 'A' && name[i] <= 'Z')
			name[i] = (char)(name[i] | 0x20);
	}
}

/* One line of len bytes, its CRLF not among them. 1: a field, 0: left out, -EINVAL. */
static int line(char *p, size_t len, nghttp2_nv *ret)
{
	char *colon = memchr(p, ':', len);
	size_t name_len, skip;

	if (!colon || colon == p)
		return -EINVAL;
	name_len = (size_t)(colon - p);
	if (h2_is_of_connection(http_name_of((struct str) { p, name_len })))
		return 0;
	skip = name_len + 1;
	while (skip < len && (p[skip] == ' ' || p[skip] == '\t'))
		skip++;
	while (len > skip && (p[len - 1] == ' ' || p[len - 1] == '\t'))
		len--;
	lower(p, name_len);
	*ret = field(p, name_len, p + skip, len - skip);
	return 1;
}

/* Lines from at to an empty one (*end: behind it), or to the end of text (*end: NULL), behind n fields. */
static int lines(struct str text, int n, nghttp2_nv ret[H2_REPLY_FIELDS_MAX], const char **end)
{
	char *at = (char *)text.ptr, *stop = at + text.len;

	*end = NULL;
	while (at < stop) {
		char *cr = memchr(at, '\r', (size_t)(stop - at));
		int used;

		if (!cr || stop - cr < 2)
			return -EINVAL;
		*end = cr + 2;
		if (cr == at)
			return n;
		used = line(at, (size_t)(cr - at), &ret[n]);
		if (used < 0)
			return used;
		n += used;
		if (n == H2_REPLY_FIELDS_MAX)
			return -EINVAL;
		at = cr + 2;
		*end = NULL;
	}
	return n;
}

int h2_reply_lines(struct buf *text, nghttp2_nv ret[H2_REPLY_FIELDS_MAX])
{
	const char *end;
	int n = lines(buf_str(text), 0, ret, &end);

	return n >= 0 && end ? -EINVAL : n; /* an empty line would be a head's */
}

int h2_reply_fields(struct buf *text, nghttp2_nv ret[H2_REPLY_FIELDS_MAX], size_t *head_len)
{
	static char status_name[] = ":status";
	char *at = buf_head(text);
	char *lf = at ? memchr(at, '\n', buf_len(text)) : NULL;
	const char *end;
	int n;

	if (!lf || lf - at < STATUS_AT + STATUS_LEN)
		return -EINVAL;
	ret[0] = field(status_name, sizeof(status_name) - 1, at + STATUS_AT, STATUS_LEN);
	n = lines((struct str) { lf + 1, buf_len(text) - (size_t)(lf + 1 - at) }, 1, ret, &end);
	if (n < 0 || !end)
		return -EINVAL;
	*head_len = (size_t)(end - at);
	return n;
}
