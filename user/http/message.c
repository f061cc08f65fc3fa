/* SPDX-License-Identifier: BSD-2-Clause */
#include "message.h"

#include <assert.h>
#include <stddef.h>

struct known {
	const char *text; /* lower case */
	uint8_t len;
};

#define KNOWN(s)                 \
	{                        \
		s, sizeof(s) - 1 \
	}

static const struct known names[] = {
	[HTTP_NAME_HOST] = KNOWN("host"),
	[HTTP_NAME_CONNECTION] = KNOWN("connection"),
	[HTTP_NAME_KEEP_ALIVE] = KNOWN("keep-alive"),
	[HTTP_NAME_PROXY_CONNECTION] = KNOWN("proxy-connection"),
	[HTTP_NAME_TE] = KNOWN("te"),
	[HTTP_NAME_TRAILER] = KNOWN("trailer"),
	[HTTP_NAME_TRANSFER_ENCODING] = KNOWN("transfer-encoding"),
	[HTTP_NAME_UPGRADE] = KNOWN("upgrade"),
	[HTTP_NAME_CONTENT_LENGTH] = KNOWN("content-length"),
	[HTTP_NAME_CONTENT_TYPE] = KNOWN("content-type"),
	[HTTP_NAME_EXPECT] = KNOWN("expect"),
	[HTTP_NAME_DATE] = KNOWN("date"),
	[HTTP_NAME_SERVER] = KNOWN("server"),
	[HTTP_NAME_VIA] = KNOWN("via"),
	[HTTP_NAME_AUTHORIZATION] = KNOWN("authorization"),
	[HTTP_NAME_PROXY_AUTHENTICATE] = KNOWN("proxy-authenticate"),
	[HTTP_NAME_PROXY_AUTHORIZATION] = KNOWN("proxy-authorization"),
	[HTTP_NAME_X_FORWARDED_FOR] = KNOWN("x-forwarded-for"),
	[HTTP_NAME_X_FORWARDED_PROTO] = KNOWN("x-forwarded-proto"),
	[HTTP_NAME_X_FORWARDED_HOST] = KNOWN("x-forwarded-host"),
	[HTTP_NAME_FORWARDED] = KNOWN("forwarded"),
	[HTTP_NAME_X_REQUEST_ID] = KNOWN("x-request-id"),
	[HTTP_NAME_X_CONSUMER] = KNOWN("x-consumer"),
	[HTTP_NAME_USER_AGENT] = KNOWN("user-agent"),
};

#define N_NAMES	      (sizeof(names) / sizeof(names[0]))
#define NAME_LEN_MAX  19 /* proxy-authorization */
#define NAMES_PER_LEN 5

static_assert(N_NAMES == HTTP_NAME_USER_AGENT + 1, "a row for each enum http_name");

/* The names of each length; a test checks this against names[]. */
static const uint8_t by_len[NAME_LEN_MAX + 1][NAMES_PER_LEN] = {
	[2] = { HTTP_NAME_TE },
	[3] = { HTTP_NAME_VIA },
	[4] = { HTTP_NAME_HOST, HTTP_NAME_DATE },
	[6] = { HTTP_NAME_EXPECT, HTTP_NAME_SERVER },
	[7] = { HTTP_NAME_UPGRADE, HTTP_NAME_TRAILER },
	[9] = { HTTP_NAME_FORWARDED },
	[10] = { HTTP_NAME_CONNECTION, HTTP_NAME_USER_AGENT, HTTP_NAME_KEEP_ALIVE,
		 HTTP_NAME_X_CONSUMER },
	[12] = { HTTP_NAME_CONTENT_TYPE, HTTP_NAME_X_REQUEST_ID },
	[13] = { HTTP_NAME_AUTHORIZATION },
	[14] = { HTTP_NAME_CONTENT_LENGTH },
	[15] = { HTTP_NAME_X_FORWARDED_FOR },
	[16] = { HTTP_NAME_PROXY_CONNECTION, HTTP_NAME_X_FORWARDED_HOST },
	[17] = { HTTP_NAME_TRANSFER_ENCODING, HTTP_NAME_X_FORWARDED_PROTO },
	[18] = { HTTP_NAME_PROXY_AUTHENTICATE },
	[19] = { HTTP_NAME_PROXY_AUTHORIZATION },
};

/* lower has letters and '-' only: over tokens, setting bit 5 folds case and makes nothing equal. */
static bool folded_eq(const char *token, const char *lower, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((token[i] | 0x20) != lower[i])
			return false;
	}
	return true;
}

enum http_name http_name_of(struct str token)
{
	if (token.len > NAME_LEN_MAX)
		return HTTP_NAME_OTHER;

	const uint8_t *row = by_len[token.len];

	for (size_t i = 0; i < NAMES_PER_LEN && row[i] != HTTP_NAME_OTHER; i++) {
		if (folded_eq(token.ptr, names[row[i]].text, token.len))
			return row[i];
	}
	return HTTP_NAME_OTHER;
}

struct str http_name_text(enum http_name name)
{
	if (name <= HTTP_NAME_OTHER || name >= N_NAMES)
		return (struct str) { "", 0 };
	return (struct str) { names[name].text, names[name].len };
}

const struct http_field *http_field_known(const struct http_head *h, enum http_name name)
{
	for (uint32_t i = 0; i < h->n_fields; i++) {
		if (h->fields[i].known == name)
			return &h->fields[i];
	}
	return NULL;
}

const struct http_field *http_field_find(const struct http_head *h, struct str name)
{
	for (uint32_t i = 0; i < h->n_fields; i++) {
		if (str_ieq(http_field_name(h, &h->fields[i]), name))
			return &h->fields[i];
	}
	return NULL;
}

static const char *const methods[] = {
	[HTTP_OTHER] = "",	    [HTTP_GET] = "GET",		[HTTP_HEAD] = "HEAD",
	[HTTP_POST] = "POST",	    [HTTP_PUT] = "PUT",		[HTTP_DELETE] = "DELETE",
	[HTTP_CONNECT] = "CONNECT", [HTTP_OPTIONS] = "OPTIONS", [HTTP_TRACE] = "TRACE",
	[HTTP_PATCH] = "PATCH",
};

#define N_METHODS (sizeof(methods) / sizeof(methods[0]))

static_assert(N_METHODS == HTTP_PATCH + 1, "a name for each enum http_method");

/* Methods are case-sensitive (RFC 9110 s9.1): "get" is another one. */
static enum http_method method_if(enum http_method m, struct str token)
{
	return memcmp(methods[m], token.ptr, token.len) == 0 ? m : HTTP_OTHER;
}

enum http_method http_method_of(struct str token)
{
	switch (token.len) {
	case 3:
		return method_if(token.ptr[0] == 'G' ? HTTP_GET : HTTP_PUT, token);
	case 4:
		return method_if(token.ptr[0] == 'P' ? HTTP_POST : HTTP_HEAD, token);
	case 5:
		return method_if(token.ptr[0] == 'P' ? HTTP_PATCH : HTTP_TRACE, token);
	case 6:
		return method_if(HTTP_DELETE, token);
	case 7:
		return method_if(token.ptr[0] == 'O' ? HTTP_OPTIONS : HTTP_CONNECT, token);
	default:
		return HTTP_OTHER;
	}
}

const char *http_method_name(enum http_method m)
{
	return (size_t)m < N_METHODS ? methods[m] : "";
}

/* RFC 9110 s9.2.2. Of a method that we do not know nothing is promised. */
bool http_method_idempotent(enum http_method m)
{
	switch (m) {
	case HTTP_GET:
	case HTTP_HEAD:
	case HTTP_PUT:
	case HTTP_DELETE:
	case HTTP_OPTIONS:
	case HTTP_TRACE:
		return true;
	default:
		return false;
	}
}
