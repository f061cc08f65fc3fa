/* SPDX-License-Identifier: BSD-2-Clause */
#include "log_line.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/str.h"

#define DEPTH_MAX   8
#define EXCERPT_MAX 120

struct scan {
	const char *at, *end;
};

static bool take(struct scan *s, char c)
{
	if (s->at == s->end || *s->at != c)
		return false;
	s->at++;
	return true;
}

/* The text between the quotes; *ret_plain: it has no escape. */
static bool take_string(struct scan *s, struct str *ret, bool *ret_plain)
{
	if (!take(s, '"'))
		return false;
	*ret = (struct str) { s->at, 0 };
	*ret_plain = true;
	for (; s->at < s->end && *s->at != '"'; s->at++) {
		if (*s->at != '\\')
			continue;
		*ret_plain = false;
		if (++s->at == s->end)
			return false;
	}
	ret->len = (size_t)(s->at - ret->ptr);
	return take(s, '"');
}

static bool is_word_byte(char c)
{
	return (c >= '0' && c <= '9') || (c && strchr("+-.Eaeflnrstu", c));
}

/* A number or a name: what no reader could take for the end of the object. */
static bool take_word(struct scan *s)
{
	const char *from = s->at;

	while (s->at < s->end && is_word_byte(*s->at))
		s->at++;
	return s->at > from;
}

/* Within nested values only brackets and strings matter; their order is the reader's business. */
static bool take_nested(struct scan *s)
{
	char close[DEPTH_MAX];
	size_t depth = 0;
	struct str text;
	bool plain;

	do {
		const char c = s->at < s->end ? *s->at : '\0';

		if (c == '"') {
			if (!take_string(s, &text, &plain))
				return false;
			continue;
		}
		if (c == '{' || c == '[') {
			if (depth == DEPTH_MAX)
				return false;
			close[depth++] = c == '{' ? '}' : ']';
		} else if (c == '}' || c == ']') {
			if (close[--depth] != c)
				return false;
		} else if (c != ',' && c != ':') {
			if (!take_word(s))
				return false;
			continue;
		}
		s->at++;
	} while (depth);
	return true;
}

static bool take_value(struct scan *s, struct str *ret_text)
{
	bool plain;

	*ret_text = (struct str) { NULL, 0 };
	if (s->at < s->end && *s->at == '"')
		return take_string(s, ret_text, &plain);
	if (s->at < s->end && (*s->at == '{' || *s->at == '['))
		return take_nested(s);
	return take_word(s);
}

/* *ret_roles: how many keys "role" there are; each has this value. */
static bool check(struct scan *s, const char *role, size_t *ret_roles)
{
	*ret_roles = 0;
	if (!take(s, '{'))
		return false;
	do {
		struct str key, value;
		bool plain;

		if (!take_string(s, &key, &plain) || !plain || !take(s, ':') ||
		    !take_value(s, &value))
			return false;
		if (!str_eq(key, STR_LIT("role")))
			continue;
		if (++*ret_roles > 1 || !value.ptr || !str_eq(value, str_of(role)))
			return false;
	} while (take(s, ','));
	return take(s, '}') && s->at == s->end;
}

size_t log_line_attribute(const char *line, size_t n, const char *role, char *to)
{
	struct scan s = { line, line + n };
	size_t roles, head = 0;

	if (!check(&s, role, &roles))
		return 0;
	if (!roles) {
		head = (size_t)snprintf(to, LOG_LINE_EXTRA, "{\"role\":\"%s\",", role);
		line++;
		n--;
	}
	memcpy(to + head, line, n);
	return head + n;
}

size_t log_line_replace(const char *line, size_t n, const char *role, char *to)
{
	char excerpt[EXCERPT_MAX + 1], time_text[32] = "";
	const time_t now = time(NULL);
	struct tm tm;
	size_t len = n < EXCERPT_MAX ? n : EXCERPT_MAX;

	for (size_t i = 0; i < len; i++) {
		const bool plain =
			line[i] >= 0x20 && line[i] < 0x7f && line[i] != '"' && line[i] != '\\';

		excerpt[i] = plain ? line[i] : '?';
	}
	excerpt[len] = '\0';
	if (gmtime_r(&now, &tm))
		strftime(time_text, sizeof(time_text), "%Y-%m-%dT%H:%M:%S.000000Z", &tm);
	return (size_t)snprintf(
		to, n + LOG_LINE_EXTRA,
		"{\"time\":\"%s\",\"level\":\"warn\",\"role\":\"%s\",\"event\":\"log.forged\","
		"\"bytes\":%zu,\"line\":\"%s\"}",
		time_text, role, n, excerpt);
}
