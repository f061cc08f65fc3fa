/* SPDX-License-Identifier: BSD-2-Clause */
/* Kinds of values that only health checks have. */
#include <errno.h>
#include <string.h>

#include "conf_text.h"
#include "conf_type.h"

#define HEX_PREFIX "hex:"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int conf_health_bytes(const char *text, uint8_t ret[CONF_HEALTH_BYTES_MAX])
{
	const size_t prefix = sizeof(HEX_PREFIX) - 1;
	const char *hex = text + prefix;
	size_t n = strlen(text);

	if (strncmp(text, HEX_PREFIX, prefix) != 0) {
		if (n == 0 || n > CONF_HEALTH_BYTES_MAX)
			return -ERANGE;
		for (size_t i = 0; i < n; i++)
			ret[i] = (uint8_t)text[i];
		return (int)n;
	}
	n -= prefix;
	if (n % 2)
		return -EINVAL;
	if (n == 0 || n / 2 > CONF_HEALTH_BYTES_MAX)
		return -ERANGE;
	for (size_t i = 0; i < n; i += 2) {
		int high = hex_digit(hex[i]), low = hex_digit(hex[i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		ret[i / 2] = (uint8_t)(high << 4 | low);
	}
	return (int)(n / 2);
}

static int bytes_parse(const struct conf_row *row, struct str text, void *field, void *aux,
		       struct conf_arena *arena, struct errmsg *why)
{
	uint8_t bytes[CONF_HEALTH_BYTES_MAX];
	int err = memchr(text.ptr, 0, text.len) ? -EINVAL : conf_health_bytes(text.ptr, bytes);

	(void)aux;
	if (err == -ERANGE && text.len)
		return errmsg_set(why, err, "has no bytes, or more than %d", CONF_HEALTH_BYTES_MAX);
	if (err == -EINVAL)
		return errmsg_set(why, err, "is not hex: and pairs of hex digits");
	return conf_type_store(row, text, 2 * CONF_HEALTH_BYTES_MAX + 4, field, arena, why);
}

const struct conf_type conf_type_bytes = {
	.name = "bytes",
	.expect = "text, or bytes in hex; write e.g. PING or hex:00ff",
	.string = true,
	.parse = bytes_parse,
	.format = conf_type_string_format,
};

/* RFC 9112 s3.2.1, as it goes into a request line: nothing that could end it. */
static int target_parse(const struct conf_row *row, struct str text, void *field, void *aux,
			struct conf_arena *arena, struct errmsg *why)
{
	(void)aux;
	if (text.len == 0 || text.ptr[0] != '/')
		return -EINVAL;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c <= ' ' || c >= 0x7f || c == '#')
			return errmsg_set(why, -EINVAL,
					  "has a character that no path holds; percent-encode it");
	}
	return conf_type_store(row, text, 1024, field, arena, why);
}

const struct conf_type conf_type_target = {
	.name = "path of a request",
	.expect = "a path; write e.g. /healthz or /status?deep=1",
	.pattern = "^/[!-~]*$",
	.string = true,
	.parse = target_parse,
	.format = conf_type_string_format,
};

static int status_range(struct str text, struct conf_status_range *ret)
{
	const char *dash = memchr(text.ptr, '-', text.len);
	size_t len = dash ? (size_t)(dash - text.ptr) : text.len;
	struct str low = { text.ptr, len };
	struct str high = dash ? (struct str) { dash + 1, text.len - len - 1 } : low;
	uint64_t first, last;

	if (conf_text_u64(low, &first) || conf_text_u64(high, &last))
		return -EINVAL;
	if (first < 200 || last > 599 || last < first)
		return -ERANGE;
	*ret = (struct conf_status_range) { (uint16_t)first, (uint16_t)last };
	return 0;
}

int conf_health_statuses(const char *text, struct conf_status_range ret[CONF_HEALTH_STATUSES_MAX])
{
	int n = 0;

	for (;; text++) {
		struct str one = { text, strcspn(text, ",") };
		int err = n < CONF_HEALTH_STATUSES_MAX ? status_range(one, &ret[n++]) : -ERANGE;

		if (err)
			return err;
		text += one.len;
		if (!*text)
			return n;
	}
}

static int status_parse(const struct conf_row *row, struct str text, void *field, void *aux,
			struct conf_arena *arena, struct errmsg *why)
{
	struct conf_status_range ranges[CONF_HEALTH_STATUSES_MAX];
	int n = memchr(text.ptr, 0, text.len) ? -EINVAL : conf_health_statuses(text.ptr, ranges);

	(void)aux;
	if (n == -ERANGE)
		return errmsg_set(why, n,
				  "has what is no range of statuses from 200 to 599, or "
				  "more than 16 of them");
	return n < 0 ? n : conf_type_store(row, text, 128, field, arena, why);
}

const struct conf_type conf_type_status = {
	.name = "statuses",
	.expect = "statuses and ranges of them; write e.g. 200, 200-299 or 200-299,304",
	.pattern = "^[0-9]{3}(-[0-9]{3})?(,[0-9]{3}(-[0-9]{3})?)*$",
	.string = true,
	.parse = status_parse,
	.format = conf_type_string_format,
};

static int percent_parse(const struct conf_row *row, struct str text, void *field, void *aux,
			 struct conf_arena *arena, struct errmsg *why)
{
	uint64_t value;

	(void)aux, (void)arena;
	if (text.len < 2 || text.ptr[text.len - 1] != '%' ||
	    conf_text_u64((struct str) { text.ptr, text.len - 1 }, &value))
		return -EINVAL;
	if (value > row->max)
		return errmsg_set(why, -ERANGE, "is more than %u%%", (unsigned int)row->max);
	*(uint8_t *)field = (uint8_t)value;
	return 0;
}

static int percent_format(const struct conf_row *row, const void *field, const void *aux,
			  struct buf *out)
{
	(void)row, (void)aux;
	return buf_printf(out, "%u%%", *(const uint8_t *)field);
}

const struct conf_type conf_type_percent = {
	.name = "percentage",
	.expect = "a percentage; write e.g. 10%",
	.pattern = "^[0-9]+%$",
	.parse = percent_parse,
	.format = percent_format,
};
