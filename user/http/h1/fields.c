/* SPDX-License-Identifier: BSD-2-Clause */
/* Field lines (RFC 9112 s5), one pass, each byte looked up once. */
#include "../chars.h"
#include "cursor.h"

int h1_line_end(struct h1_cursor *c)
{
	if (c->p == c->end)
		return -EAGAIN;
	if (*c->p == '\n')
		return h1_refuse(c, 400, "bare LF in a header line");
	if (*c->p == '\0')
		return h1_refuse(c, 400, "NUL in a header line");
	if (*c->p != '\r')
		return h1_refuse(c, 400, "unexpected byte in a header line");
	if (c->p + 1 == c->end)
		return -EAGAIN;
	if (c->p[1] != '\n')
		return h1_refuse(c, 400, "bare CR in a header line");
	c->p += 2;
	return 0;
}

/* The name did not end with its colon. */
static int bad_name(struct h1_cursor *c, const char *name)
{
	char stop = *c->p;

	if (stop == '\n')
		return h1_refuse(c, 400, "bare LF in a header line");
	if (stop == '\0')
		return h1_refuse(c, 400, "NUL in a header line");
	if (c->p == name && (stop == ' ' || stop == '\t'))
		return h1_refuse(c, 400, "folded header line");
	if (c->p == name && stop == ':')
		return h1_refuse(c, 400, "header line without a name");
	if (stop == ' ' || stop == '\t')
		return h1_refuse(c, 400, "white space in or behind a header name");
	if (stop == '\r')
		return h1_refuse(c, 400, "header line without a colon");
	return h1_refuse(c, 400, "forbidden character in a header name");
}

/* Removed where a message is forwarded (RFC 9110 s7.6.1), whether Connection names them or not. */
static bool hop_by_hop(enum http_name name)
{
	switch (name) {
	case HTTP_NAME_CONNECTION:
	case HTTP_NAME_KEEP_ALIVE:
	case HTTP_NAME_PROXY_CONNECTION:
	case HTTP_NAME_TE:
	case HTTP_NAME_TRAILER:
	case HTTP_NAME_TRANSFER_ENCODING:
	case HTTP_NAME_UPGRADE:
	case HTTP_NAME_PROXY_AUTHENTICATE:
	case HTTP_NAME_PROXY_AUTHORIZATION:
		return true;
	default:
		return false;
	}
}

/* The value from c->p to the end of its line; white space around it is not part of it. */
static int field_value(struct h1_cursor *c, const char **ret, size_t *ret_len)
{
	const char *p = c->p;

	while (p < c->end && (*p == ' ' || *p == '\t'))
		p++;
	const char *value = p;

	while (p < c->end && http_char_is(*p, HTTP_CHAR_VALUE))
		p++;
	c->p = p;
	int err = h1_line_end(c);

	if (err)
		return err;
	while (p > value && (p[-1] == ' ' || p[-1] == '\t'))
		p--;
	*ret = value;
	*ret_len = (size_t)(p - value);
	return 0;
}

static int field_line(struct h1_cursor *c, struct http_head *h)
{
	const char *name = c->p;
	const char *value = NULL;
	size_t value_len = 0;

	while (c->p < c->end && http_char_is(*c->p, HTTP_CHAR_TOKEN))
		c->p++;
	size_t name_len = (size_t)(c->p - name);

	if (name_len > UINT16_MAX)
		return h1_refuse(c, 431, "header name too long");
	if (c->p == c->end)
		return -EAGAIN;
	if (*c->p != ':' || name_len == 0)
		return bad_name(c, name);
	if (h->n_fields >= c->limits->max_fields || h->n_fields >= HTTP_FIELDS_MAX)
		return h1_refuse(c, 431, "too many header fields");
	c->p++;
	int err = field_value(c, &value, &value_len);

	if (err)
		return err;
	enum http_name known = http_name_of((struct str) { name, name_len });

	h->fields[h->n_fields++] = (struct http_field) {
		.name = (uint32_t)(name - h->base),
		.value = (uint32_t)(value - h->base),
		.value_len = (uint32_t)value_len,
		.name_len = (uint16_t)name_len,
		.known = (uint8_t)known,
		.hop = hop_by_hop(known),
	};
	return 0;
}

int h1_fields_decode(struct h1_cursor *c, struct http_head *h)
{
	for (;;) {
		if (c->p == c->end)
			return -EAGAIN;
		if (*c->p == '\r')
			return h1_line_end(c);
		int err = field_line(c, h);

		if (err)
			return err;
	}
}
