/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An HTTP message head as all protocol versions give it to the gateway: fields in order, offsets
 * into one block of bytes, known names interned. Nothing is copied until a transform asks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../base/str.h"

#define HTTP_FIELDS_MAX 256 /* hard limit; the listener's max_headers is below it */

enum http_method {
	HTTP_OTHER, /* any other token: see method_text */
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_DELETE,
	HTTP_CONNECT,
	HTTP_OPTIONS,
	HTTP_TRACE,
	HTTP_PATCH,
};

/* Names that we look at: found once while parsing. */
enum http_name {
	HTTP_NAME_OTHER,
	HTTP_NAME_HOST,
	HTTP_NAME_CONNECTION,
	HTTP_NAME_KEEP_ALIVE,
	HTTP_NAME_PROXY_CONNECTION,
	HTTP_NAME_TE,
	HTTP_NAME_TRAILER,
	HTTP_NAME_TRANSFER_ENCODING,
	HTTP_NAME_UPGRADE,
	HTTP_NAME_CONTENT_LENGTH,
	HTTP_NAME_CONTENT_TYPE,
	HTTP_NAME_EXPECT,
	HTTP_NAME_DATE,
	HTTP_NAME_SERVER,
	HTTP_NAME_VIA,
	HTTP_NAME_AUTHORIZATION,
	HTTP_NAME_PROXY_AUTHENTICATE,
	HTTP_NAME_PROXY_AUTHORIZATION,
	HTTP_NAME_X_FORWARDED_FOR,
	HTTP_NAME_X_FORWARDED_PROTO,
	HTTP_NAME_X_FORWARDED_HOST,
	HTTP_NAME_FORWARDED,
	HTTP_NAME_X_REQUEST_ID,
	HTTP_NAME_X_CONSUMER,
	HTTP_NAME_USER_AGENT,
};

struct http_field {
	uint32_t name;	/* offset from base */
	uint32_t value; /* offset from base, white space around it removed */
	uint32_t value_len;
	uint16_t name_len;
	uint8_t known; /* enum http_name */
	bool hop;      /* named by Connection, or hop-by-hop itself: not forwarded */
};

enum http_body {
	HTTP_BODY_NONE,
	HTTP_BODY_LENGTH,
	HTTP_BODY_CHUNKED,
	HTTP_BODY_UNTIL_CLOSE, /* responses only */
};

struct http_head {
	const char *base;  /* the block that offsets count from; its owner keeps it */
	uint32_t head_len; /* bytes of start line and fields, the empty line included */
	/* request */
	enum http_method method;
	struct str method_text;
	struct str target;    /* as received */
	struct str path;      /* origin-form path, before '?', as received */
	struct str query;     /* behind '?', without it */
	struct str authority; /* Host, or the absolute-form's */
	/* response */
	uint16_t status;
	struct str reason;
	/* both */
	uint8_t minor; /* HTTP/1.minor */
	bool keep_alive;
	bool expect_continue;
	bool upgrade; /* Connection: upgrade and an Upgrade field */
	enum http_body body;
	uint64_t content_length; /* of HTTP_BODY_LENGTH */
	uint32_t n_fields;
	struct http_field fields[HTTP_FIELDS_MAX];
};

static inline struct str http_field_name(const struct http_head *h, const struct http_field *f)
{
	return (struct str) { h->base + f->name, f->name_len };
}

static inline struct str http_field_value(const struct http_head *h, const struct http_field *f)
{
	return (struct str) { h->base + f->value, f->value_len };
}

/* The first field of that name; NULL when there is none. */
const struct http_field *http_field_known(const struct http_head *h, enum http_name name);
const struct http_field *http_field_find(const struct http_head *h, struct str name);

/* Both take tokens (RFC 9110 s5.6.2); names in any case. */
enum http_name http_name_of(struct str token);
enum http_method http_method_of(struct str token);
struct str http_name_text(enum http_name name); /* lower case; "" for HTTP_NAME_OTHER */
const char *http_method_name(enum http_method m);
bool http_method_idempotent(enum http_method m);
const char *http_status_text(unsigned int status); /* "Too Many Requests"; "" when unknown */
