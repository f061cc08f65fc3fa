/* SPDX-License-Identifier: BSD-2-Clause */
#include "reply.h"

#include <errno.h>

#include "../message.h"

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

/* RFC 9113 s8.2.2 */
static bool is_of_connection(struct str name)
{
	switch (http_name_of(name)) {
	case HTTP_NAME_CONNECTION:
	case HTTP_NAME_KEEP_ALIVE:
	case HTTP_NAME_PROXY_CONNECTION:
	case HTTP_NAME_TRANSFER_ENCODING:
	case HTTP_NAME_UPGRADE:
		return true;
	default:
		return false;
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
	if (is_of_connection((struct str) { p, name_len }))
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

int h2_reply_fields(struct buf *text, nghttp2_nv ret[H2_REPLY_FIELDS_MAX], size_t *head_len)
{
	static char status_name[] = ":status";
	char *at = buf_head(text), *end = at + buf_len(text), *cr;
	int n = 0, used;

	if (buf_len(text) < STATUS_AT + STATUS_LEN)
		return -EINVAL;
	ret[n++] = field(status_name, sizeof(status_name) - 1, at + STATUS_AT, STATUS_LEN);
	for (bool first = true;; first = false) {
		cr = memchr(at, '\r', (size_t)(end - at));
		if (!cr || end - cr < 2)
			return -EINVAL;
		if (cr == at)
			break;
		used = first ? 0 : line(at, (size_t)(cr - at), &ret[n]);
		if (used < 0)
			return used;
		n += used;
		if (n == H2_REPLY_FIELDS_MAX)
			return -EINVAL;
		at = cr + 2;
	}
	*head_len = (size_t)(cr + 2 - buf_head(text));
	return n;
}
