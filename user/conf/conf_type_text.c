/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts with a grammar: names, paths, hosts, header names, keys. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/sha.h>
#include <string.h>

#include "../base/addr.h"
#include "conf_type.h"

#define SHA256_BYTES SHA256_DIGEST_LENGTH

int conf_type_store(const struct conf_row *row, struct str text, uint64_t max, void *field,
		    struct conf_arena *arena, struct errmsg *why)
{
	char *copy;

	if (row->max)
		max = row->max;
	if (text.len == 0)
		return errmsg_set(why, -EINVAL, "is empty; leave the setting out instead");
	if (text.len > max)
		return errmsg_set(why, -ERANGE, "is %zu bytes long; at most %" PRIu64, text.len,
				  max);
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f)
			return errmsg_set(why, -EINVAL, "holds a control character; remove it");
	copy = conf_arena_copy(arena, text);
	if (!copy)
		return -ENOMEM;
	*(char **)field = copy;
	return 0;
}

int conf_type_string_format(const struct conf_row *row, const void *field, const void *aux,
			    struct buf *out)
{
	const char *text = *(char *const *)field;

	(void)row, (void)aux;
	return text ? buf_add_str(out, str_of(text)) : 0;
}

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

static int name_parse(const struct conf_row *row, struct str text, void *field, void *aux,
		      struct conf_arena *arena, struct errmsg *why)
{
	(void)aux;
	for (size_t i = 0; i < text.len; i++)
		if (!is_name_char(text.ptr[i]))
			return -EINVAL;
	if (text.len == 0 || !isalnum((unsigned char)text.ptr[0]))
		return -EINVAL;
	return conf_type_store(row, text, CONF_NAME_MAX, field, arena, why);
}

const struct conf_type conf_type_name = {
	.name = "name",
	.expect = "a name; a-z, 0-9, '_', '.' and '-', beginning with a letter or digit",
	.pattern = "^[a-z0-9][a-z0-9_.-]*$",
	.string = true,
	.parse = name_parse,
	.format = conf_type_string_format,
};

/* ISO 3166-1 alpha-2, as the databases have it. */
static int country_parse(const struct conf_row *row, struct str text, void *field, void *aux,
			 struct conf_arena *arena, struct errmsg *why)
{
	(void)aux;
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] < 'A' || text.ptr[i] > 'Z')
			return -EINVAL;
	return text.len == 2 ? conf_type_store(row, text, 2, field, arena, why) : -EINVAL;
}

const struct conf_type conf_type_country = {
	.name = "country",
	.expect = "the code of a country, two capitals; write e.g. DE",
	.pattern = "^[A-Z]{2}$",
	.string = true,
	.parse = country_parse,
	.format = conf_type_string_format,
};

static int path_parse(const struct conf_row *row, struct str text, void *field, void *aux,
		      struct conf_arena *arena, struct errmsg *why)
{
	(void)aux;
	if (text.len == 0 || text.ptr[0] != '/')
		return -EINVAL;
	return conf_type_store(row, text, 4095, field, arena, why);
}

const struct conf_type conf_type_path = {
	.name = "path",
	.expect = "an absolute path; begin it with /",
	.pattern = "^/",
	.string = true,
	.parse = path_parse,
	.format = conf_type_string_format,
};

static int ifname_parse(const struct conf_row *row, struct str text, void *field, void *aux,
			struct conf_arena *arena, struct errmsg *why)
{
	(void)aux;
	/* What the kernel's dev_valid_name refuses. */
	if (text.len == 0 || str_eq(text, STR_LIT(".")) || str_eq(text, STR_LIT("..")))
		return -EINVAL;
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] == '/' || text.ptr[i] == ':' || isspace((unsigned char)text.ptr[i]))
			return -EINVAL;
	return conf_type_store(row, text, 15, field, arena, why);
}

const struct conf_type conf_type_ifname = {
	.name = "device",
	.expect = "the name of a network device; write e.g. eth0",
	.pattern = "^[^/:\\s]{1,15}$",
	.string = true,
	.parse = ifname_parse,
	.format = conf_type_string_format,
};

/* Letters, digits and inner hyphens between dots (RFC 1123 s2.1); underscores are met in practice. */
static bool is_host(struct str text)
{
	size_t label = 0;

	if (text.len == 0 || text.len > 253)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c == '.') {
			if (label == 0 || text.ptr[i - 1] == '-')
				return false;
			label = 0;
		} else {
			if (!isalnum((unsigned char)c) && c != '_' && (c != '-' || label == 0))
				return false;
			if (++label > 63)
				return false;
		}
	}
	return label > 0 && text.ptr[text.len - 1] != '-';
}

static bool is_bracketed_v6(struct str text)
{
	char inner[ADDR_TEXT_MAX];
	struct addr addr;

	if (text.len < 4 || text.len - 2 >= sizeof(inner) || text.ptr[0] != '[' ||
	    text.ptr[text.len - 1] != ']')
		return false;
	memcpy(inner, text.ptr + 1, text.len - 2);
	inner[text.len - 2] = '\0';
	return strchr(inner, ':') && addr_parse(inner, &addr) == 0;
}

static void lower(char *text)
{
	for (; *text; text++)
		*text = (char)tolower((unsigned char)*text);
}

static int host_parse(const struct conf_row *row, struct str text, void *field, void *aux,
		      struct conf_arena *arena, struct errmsg *why)
{
	struct str host = text;
	const char *colon;
	int err;

	(void)aux;
	if (text.len > 2 && text.ptr[0] == '*' && text.ptr[1] == '.')
		host = (struct str) { text.ptr + 2, text.len - 2 };
	colon = memchr(host.ptr, ':', host.len);
	if (!is_host(host) && !is_bracketed_v6(text)) {
		if (colon && is_host((struct str) { host.ptr, (size_t)(colon - host.ptr) }))
			return errmsg_set(why, -EINVAL, "has a port; hosts are matched without");
		return -EINVAL;
	}
	err = conf_type_store(row, text, CONF_HOST_MAX, field, arena, why);
	if (!err)
		lower(*(char **)field);
	return err;
}

const struct conf_type conf_type_host = {
	.name = "host",
	.expect = "a host; write e.g. api.example.com or *.example.com",
	.string = true,
	.parse = host_parse,
	.format = conf_type_string_format,
};

/* A segment that normalisation would remove, so that the path could never match. */
static bool has_dead_segment(struct str path)
{
	for (size_t i = 0; i < path.len; i++) {
		struct str rest = { path.ptr + i + 1, path.len - i - 1 };
		const char *end;
		size_t n;

		if (path.ptr[i] != '/' || rest.len == 0)
			continue;
		end = memchr(rest.ptr, '/', rest.len);
		n = end ? (size_t)(end - rest.ptr) : rest.len;
		if (n == 0 || (n == 1 && rest.ptr[0] == '.') ||
		    (n == 2 && rest.ptr[0] == '.' && rest.ptr[1] == '.'))
			return true;
	}
	return false;
}

static int url_path_parse(const struct conf_row *row, struct str text, void *field, void *aux,
			  struct conf_arena *arena, struct errmsg *why)
{
	struct str path = text;

	(void)aux;
	if (path.len > 0 && path.ptr[0] == '=')
		path = (struct str) { path.ptr + 1, path.len - 1 };
	if (path.len == 0 || path.ptr[0] != '/')
		return -EINVAL;
	for (size_t i = 0; i < path.len; i++) {
		char c = path.ptr[i];

		if (c <= ' ' || c == 0x7f || c == '?' || c == '#' || c == '\\')
			return errmsg_set(why, -EINVAL,
					  "has a character that no path holds; percent-encode it");
		if (c == '%' && (i + 2 >= path.len || !isxdigit((unsigned char)path.ptr[i + 1]) ||
				 !isxdigit((unsigned char)path.ptr[i + 2])))
			return errmsg_set(why, -EINVAL, "has a %% without two hex digits");
	}
	if (has_dead_segment(path))
		return errmsg_set(why, -EINVAL,
				  "can match nothing; '//', '/./' and '/../' are folded first");
	return conf_type_store(row, text, 4096, field, arena, why);
}

const struct conf_type conf_type_url_path = {
	.name = "URL path",
	.expect = "a path; write e.g. /v1/, or =/exact",
	.pattern = "^=?/",
	.string = true,
	.parse = url_path_parse,
	.format = conf_type_string_format,
};

static int header_parse(const struct conf_row *row, struct str text, void *field, void *aux,
			struct conf_arena *arena, struct errmsg *why)
{
	int err;

	(void)aux;
	for (size_t i = 0; i < text.len; i++) /* a token, RFC 9110 s5.6.2 */
		if (!isalnum((unsigned char)text.ptr[i]) && !strchr("!#$%&'*+-.^_`|~", text.ptr[i]))
			return -EINVAL;
	err = conf_type_store(row, text, 128, field, arena, why);
	if (!err)
		lower(*(char **)field);
	return err;
}

const struct conf_type conf_type_header = {
	.name = "header",
	.expect = "the name of a header field; write e.g. x-api-key",
	.pattern = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$",
	.string = true,
	.parse = header_parse,
	.format = conf_type_string_format,
};

/* A key in clear: only its SHA-256 is kept. */
static int key_parse(const struct conf_row *row, struct str text, void *field, void *aux,
		     struct conf_arena *arena, struct errmsg *why)
{
	(void)row, (void)aux, (void)arena;
	if (text.len > 4096)
		return errmsg_set(why, -ERANGE, "a key has at most 4096 characters");
	for (size_t i = 0; i < text.len; i++) /* what can arrive in a header field */
		if ((unsigned char)text.ptr[i] <= ' ' || (unsigned char)text.ptr[i] >= 0x7f)
			return errmsg_set(why, -EINVAL,
					  "a key is visible ASCII; this one could not be sent");
	if (text.len < CONF_KEY_MIN_BYTES)
		return errmsg_set(why, -ERANGE,
				  "%zu characters can be guessed; a key has at least %d, e.g. of "
				  "`openssl rand -hex 16`",
				  text.len, CONF_KEY_MIN_BYTES);
	SHA256((const unsigned char *)text.ptr, text.len, field);
	return 0;
}

const struct conf_type conf_type_key = {
	.name = "key",
	.expect = "a key",
	.parse = key_parse,
};

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static int sha256_parse(const struct conf_row *row, struct str text, void *field, void *aux,
			struct conf_arena *arena, struct errmsg *why)
{
	uint8_t digest[SHA256_BYTES];

	(void)row, (void)aux, (void)arena;
	if (text.len != 2 * sizeof(digest))
		return errmsg_set(why, -EINVAL, "a SHA-256 has 64 hex digits; this has %zu",
				  text.len);
	for (size_t i = 0; i < sizeof(digest); i++) {
		int high = hex_digit(text.ptr[2 * i]), low = hex_digit(text.ptr[2 * i + 1]);

		if (high < 0 || low < 0)
			return errmsg_set(why, -EINVAL, "a SHA-256 has 64 hex digits, only");
		digest[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(field, digest, sizeof(digest));
	return 0;
}

static int sha256_format(const struct conf_row *row, const void *field, const void *aux,
			 struct buf *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *digest = field;
	char text[2 * SHA256_BYTES];

	(void)row, (void)aux;
	for (size_t i = 0; i < SHA256_BYTES; i++) {
		text[2 * i] = digits[digest[i] >> 4];
		text[2 * i + 1] = digits[digest[i] & 15];
	}
	return buf_add(out, text, sizeof(text));
}

const struct conf_type conf_type_sha256 = {
	.name = "SHA-256",
	.expect = "the SHA-256 of a key in 64 hex digits",
	.pattern = "^[0-9A-Fa-f]{64}$",
	.parse = sha256_parse,
	.format = sha256_format,
};
