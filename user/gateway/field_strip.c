/* SPDX-License-Identifier: BSD-2-Clause */
#include <ctype.h>

#include "base/metric.h"
#include "field_strip.h"

#define NAME(s)	  STR_LIT(s), false
#define NAMES(s)  STR_LIT(s), true
#define LETTER(c) (1U << ((c) - 'a'))
#define LETTERS_USED                                                                         \
	(LETTER('c') | LETTER('e') | LETTER('f') | LETTER('h') | LETTER('k') | LETTER('p') | \
	 LETTER('t') | LETTER('u') | LETTER('x')) /* first letters of the rows */

/* Lower case, '-' for all that is neither letter nor digit. */
static const struct row {
	struct str name;
	bool prefix;
	enum metric_strip kind;
} rows[] = {
	/* What endpoints believe because they think that we said it. */
	{ NAMES("x-forwarded-"), METRIC_STRIP_IDENTITY },
	{ NAMES("x-consumer"), METRIC_STRIP_IDENTITY },
	{ NAMES("x-client-cert"), METRIC_STRIP_IDENTITY },
	{ NAMES("client-cert"), METRIC_STRIP_IDENTITY }, /* RFC 9440 */
	{ NAME("x-request-id"), METRIC_STRIP_IDENTITY },
	{ NAME("x-real-ip"), METRIC_STRIP_IDENTITY },
	{ NAME("forwarded"), METRIC_STRIP_IDENTITY },
	/* Another path than the one that was routed (Symfony, IIS, ingress controllers). */
	{ NAME("x-original-url"), METRIC_STRIP_REWRITE },
	{ NAME("x-original-uri"), METRIC_STRIP_REWRITE },
	{ NAME("x-original-host"), METRIC_STRIP_REWRITE },
	{ NAME("x-rewrite-url"), METRIC_STRIP_REWRITE },
	/* CGI makes HTTP_PROXY of it, which libraries take for their proxy (CVE-2016-5385). */
	{ NAME("proxy"), METRIC_STRIP_PROXY },
	/* Framing and hop-by-hop fields: here only other spellings, of those we know we judged. */
	{ NAME("host"), METRIC_STRIP_FRAMING },
	{ NAME("content-length"), METRIC_STRIP_FRAMING },
	{ NAME("transfer-encoding"), METRIC_STRIP_FRAMING },
	{ NAME("connection"), METRIC_STRIP_FRAMING },
	{ NAME("keep-alive"), METRIC_STRIP_FRAMING },
	{ NAME("proxy-connection"), METRIC_STRIP_FRAMING },
	{ NAME("proxy-authorization"), METRIC_STRIP_FRAMING },
	{ NAME("te"), METRIC_STRIP_FRAMING },
	{ NAME("trailer"), METRIC_STRIP_FRAMING },
	{ NAME("upgrade"), METRIC_STRIP_FRAMING },
	{ NAME("expect"), METRIC_STRIP_FRAMING },
	{ NAME("http2-settings"), METRIC_STRIP_FRAMING }, /* RFC 7540 s3.2.1; h2c is not offered */
};

static char fold(char c)
{
	return isalnum((unsigned char)c) ? (char)tolower((unsigned char)c) : '-';
}

/*
 * Servers that turn fields into variables (CGI, WSGI) write "X_Consumer", "x.consumer" and X-Consumer
 * alike, and some cut what is around a name: compare as if all of them did both.
 */
static struct str trim(struct str name)
{
	while (name.len && fold(name.ptr[0]) == '-') {
		name.ptr++;
		name.len--;
	}
	while (name.len && fold(name.ptr[name.len - 1]) == '-')
		name.len--;
	return name;
}

/* Does name begin with `with`, read as variables? */
static bool begins(struct str name, struct str with)
{
	if (name.len < with.len)
		return false;
	for (size_t i = 0; i < with.len; i++) {
		if (fold(name.ptr[i]) != fold(with.ptr[i]))
			return false;
	}
	return true;
}

static bool row_matches(const struct row *r, struct str name)
{
	return r->prefix ? begins(name, r->name) : name.len == r->name.len && begins(name, r->name);
}

/* Spelt as configured it was used; otherwise it is there for somebody behind us. */
static bool is_key(const struct policy_exchange *p, struct str name)
{
	return p->strip_key && str_ieq(name, p->key_field);
}

static bool is_like_key(const struct policy_exchange *p, struct str trimmed)
{
	struct str key = trim(p->key_field);

	return p->strip_key && trimmed.len == key.len && begins(trimmed, key);
}

/* Interned spellings of framing fields were judged by the parser; what passes there may pass here. */
static bool is_understood(const struct http_field *f)
{
	switch (f->known) {
	case HTTP_NAME_HOST:
	case HTTP_NAME_CONTENT_LENGTH:
	case HTTP_NAME_EXPECT:
	case HTTP_NAME_CONTENT_TYPE:
	case HTTP_NAME_USER_AGENT:
	case HTTP_NAME_DATE:
		return true;
	default:
		return false;
	}
}

static enum metric_strip kind_of(const struct http_head *h, const struct http_field *f,
				 const struct policy_exchange *p)
{
	struct str name = trim(http_field_name(h, f));
	char first = name.len ? fold(name.ptr[0]) : '-';

	if (is_like_key(p, name))
		return METRIC_STRIP_KEY;
	if (first < 'a' || !(LETTERS_USED & LETTER(first)) || is_understood(f))
		return METRIC_STRIP_NONE;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].name.ptr[0] == first && row_matches(&rows[i], name))
			return rows[i].kind;
	}
	return METRIC_STRIP_NONE;
}

bool field_strip(const struct http_head *h, const struct http_field *f,
		 const struct policy_exchange *p)
{
	enum metric_strip kind;

	if (is_key(p, http_field_name(h, f)))
		return true;
	kind = kind_of(h, f, p);
	if (kind == METRIC_STRIP_NONE)
		return false;
	metric_add_to(&metric_page->stripped[kind], 1);
	return true;
}
