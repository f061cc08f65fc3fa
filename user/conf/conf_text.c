/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "../base/clock.h"

/* A unit's name and how many base units it is; write: used when a value is formatted. */
struct unit {
	const char *name;
	uint64_t factor;
	bool write;
};

/* Tables that are written from end with their largest factor first. */
static const struct unit duration_units[] = {
	{ "d", 86400000, true }, { "h", 3600000, true }, { "m", 60000, true },
	{ "s", 1000, true },	 { "ms", 1, true },	 { NULL, 0, false },
};

static const struct unit size_units[] = {
	{ "TiB", 1ULL << 40, true },	 { "TB", 1000000000000ULL, true },
	{ "GiB", 1ULL << 30, true },	 { "GB", 1000000000ULL, true },
	{ "MiB", 1ULL << 20, true },	 { "MB", 1000000ULL, true },
	{ "KiB", 1ULL << 10, true },	 { "kB", 1000ULL, true },
	{ "KB", 1000ULL, false },	 { "B", 1, true },
	{ "Gbit", 125000000ULL, false }, { "Mbit", 125000ULL, false },
	{ "kbit", 125ULL, false },	 { NULL, 0, false },
};

static const struct unit period_units[] = {
	{ "d", 86400 * NS_PER_S, true },
	{ "h", 3600 * NS_PER_S, true },
	{ "min", 60 * NS_PER_S, true },
	{ "s", NS_PER_S, true },
	{ NULL, 0, false },
};

static const struct unit *unit_find(const struct unit *units, struct str name)
{
	for (; units->name; units++)
		if (str_eq(str_of(units->name), name))
			return units;
	return NULL;
}

/* The leading digits of *text, which moves past them. -EINVAL: none; -ERANGE. */
static int take_digits(struct str *text, uint64_t *ret, unsigned int *ret_n)
{
	uint64_t value = 0;
	unsigned int n = 0;

	while (text->len > 0 && *text->ptr >= '0' && *text->ptr <= '9') {
		uint64_t digit = (uint64_t)(*text->ptr - '0');

		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return -ERANGE;
		text->ptr++;
		text->len--;
		n++;
	}
	if (n == 0)
		return -EINVAL;
	*ret = value;
	*ret_n = n;
	return 0;
}

/* A number with an optional fraction, as mantissa / divisor; *text moves past it. */
static int take_number(struct str *text, uint64_t *ret_mantissa, uint64_t *ret_divisor)
{
	uint64_t whole, fraction = 0, divisor = 1;
	unsigned int n;
	int err = take_digits(text, &whole, &n);

	if (err)
		return err;
	if (text->len > 0 && *text->ptr == '.') {
		text->ptr++;
		text->len--;
		err = take_digits(text, &fraction, &n);
		if (err)
			return err;
		if (n > 9)
			return -ERANGE;
		while (n--)
			divisor *= 10;
	}
	if (__builtin_mul_overflow(whole, divisor, &whole) ||
	    __builtin_add_overflow(whole, fraction, &whole))
		return -ERANGE;
	*ret_mantissa = whole;
	*ret_divisor = divisor;
	return 0;
}

static int scale(uint64_t mantissa, uint64_t divisor, uint64_t factor, uint64_t *ret)
{
	unsigned __int128 product = (unsigned __int128)mantissa * factor;

	if (product % divisor != 0)
		return -EINVAL;
	product /= divisor;
	if (product > UINT64_MAX)
		return -ERANGE;
	*ret = (uint64_t)product;
	return 0;
}

/* A number and its unit. bare: what no unit means; 0: a unit is needed, except after "0". */
static int parse_scaled(struct str text, const struct unit *units, uint64_t bare, uint64_t *ret)
{
	uint64_t mantissa, divisor;
	const struct unit *unit;
	int err = take_number(&text, &mantissa, &divisor);

	if (err)
		return err;
	if (text.len == 0) {
		if (divisor != 1 || (bare == 0 && mantissa != 0))
			return -EINVAL;
		return scale(mantissa, 1, bare, ret);
	}
	unit = unit_find(units, text);
	if (!unit)
		return -EINVAL;
	return scale(mantissa, divisor, unit->factor, ret);
}

/* The largest unit that leaves no remainder; every table has one with factor 1, or bare units. */
static void format_scaled(uint64_t value, const struct unit *units, char text[CONF_TEXT_MAX])
{
	const struct unit *best = NULL;

	for (; units->name; units++)
		if (units->write && value % units->factor == 0 &&
		    (!best || units->factor > best->factor))
			best = units;
	snprintf(text, CONF_TEXT_MAX, "%" PRIu64 "%s", value / (best ? best->factor : 1),
		 best ? best->name : "");
}

int conf_text_u64(struct str text, uint64_t *ret)
{
	uint64_t value;
	unsigned int n;
	int err = take_digits(&text, &value, &n);

	if (err)
		return err;
	if (text.len != 0)
		return -EINVAL;
	*ret = value;
	return 0;
}

int conf_text_duration(struct str text, uint64_t *ret_ms)
{
	return parse_scaled(text, duration_units, 0, ret_ms);
}

void conf_text_duration_format(uint64_t ms, char text[CONF_TEXT_MAX])
{
	if (ms == 0)
		snprintf(text, CONF_TEXT_MAX, "0s");
	else
		format_scaled(ms, duration_units, text);
}

int conf_text_size(struct str text, uint64_t *ret_bytes)
{
	if (text.len > 3 && memcmp(text.ptr + text.len - 3, "bit", 3) == 0)
		return -EINVAL; /* bits are for rates only */
	return parse_scaled(text, size_units, 1, ret_bytes);
}

void conf_text_size_format(uint64_t bytes, char text[CONF_TEXT_MAX])
{
	if (bytes == 0)
		snprintf(text, CONF_TEXT_MAX, "0");
	else
		format_scaled(bytes, size_units, text);
}

int conf_text_rate(struct str text, uint64_t *ret_count, uint64_t *ret_period_ns)
{
	const char *slash = memchr(text.ptr, '/', text.len);
	const struct unit *period;
	struct str amount;
	uint64_t count;
	int kind, err;

	if (!slash)
		return -EINVAL;
	amount = (struct str) { text.ptr, (size_t)(slash - text.ptr) };
	period = unit_find(period_units, (struct str) { slash + 1, text.len - amount.len - 1 });
	if (!period || amount.len == 0)
		return -EINVAL;
	kind = amount.ptr[amount.len - 1] >= '0' && amount.ptr[amount.len - 1] <= '9'
		       ? CONF_TEXT_COUNT
		       : CONF_TEXT_BYTES;
	err = parse_scaled(amount, size_units, 1, &count);
	if (err)
		return err;
	*ret_count = count;
	*ret_period_ns = period->factor;
	return kind;
}

void conf_text_rate_format(uint64_t count, uint64_t period_ns, enum conf_text_rate kind,
			   char text[CONF_TEXT_MAX])
{
	const struct unit *period = period_units;
	char amount[CONF_TEXT_MAX];

	if (kind == CONF_TEXT_BYTES && count != 0)
		format_scaled(count, size_units, amount);
	else
		snprintf(amount, sizeof(amount), "%" PRIu64, count);
	while (period->name && period->factor != period_ns)
		period++;
	if (period->name)
		snprintf(text, CONF_TEXT_MAX, "%.32s/%s", amount, period->name);
	else /* a struct that no text made: shown, not to be parsed */
		snprintf(text, CONF_TEXT_MAX, "%.20s/%" PRIu64 "ns", amount, period_ns);
}
