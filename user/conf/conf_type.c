/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers, quantities, words and plain strings: text to field and back. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "conf_distance.h"
#include "conf_rate.h"
#include "conf_rows.h"
#include "conf_text.h"
#include "conf_type.h"

static uint64_t load(const struct conf_row *row, const void *field)
{
	switch (row->width) {
	case 1:
		return *(const uint8_t *)field;
	case 2:
		return *(const uint16_t *)field;
	case 4:
		return *(const uint32_t *)field;
	default:
		return *(const uint64_t *)field;
	}
}

static void store(const struct conf_row *row, void *field, uint64_t value)
{
	switch (row->width) {
	case 1:
		*(uint8_t *)field = (uint8_t)value;
		break;
	case 2:
		*(uint16_t *)field = (uint16_t)value;
		break;
	case 4:
		*(uint32_t *)field = (uint32_t)value;
		break;
	default:
		*(uint64_t *)field = value;
	}
}

uint64_t conf_type_max(const struct conf_row *row)
{
	uint64_t widest = row->width >= 8 ? UINT64_MAX : (1ULL << (8 * row->width)) - 1;

	return row->max && row->max < widest ? row->max : widest;
}

static void number_text(uint64_t value, char text[CONF_TEXT_MAX])
{
	snprintf(text, CONF_TEXT_MAX, "%" PRIu64, value);
}

/* Store a quantity within the row's bounds; err is what parsing it said. */
static int bounded(const struct conf_row *row, int err, uint64_t value,
		   void (*format)(uint64_t, char *), void *field, struct errmsg *why)
{
	char low[CONF_TEXT_MAX], high[CONF_TEXT_MAX];

	if (err == -EINVAL)
		return err;
	if (err || value < row->min || value > conf_type_max(row)) {
		format(row->min, low);
		format(conf_type_max(row), high);
		if (conf_type_max(row) == UINT64_MAX)
			return errmsg_set(why, -ERANGE, "is out of range; at least %s", low);
		return errmsg_set(why, -ERANGE, "is out of range; from %s to %s", low, high);
	}
	store(row, field, value);
	return 0;
}

static int bool_parse(const struct conf_row *row, struct str text, void *field, void *aux,
		      struct conf_arena *arena, struct errmsg *why)
{
	(void)row, (void)aux, (void)arena, (void)why;
	if (!str_eq(text, STR_LIT("true")) && !str_eq(text, STR_LIT("false")))
		return -EINVAL;
	*(bool *)field = text.ptr[0] == 't';
	return 0;
}

static int bool_format(const struct conf_row *row, const void *field, const void *aux,
		       struct buf *out)
{
	(void)row, (void)aux;
	return buf_add_str(out, *(const bool *)field ? STR_LIT("true") : STR_LIT("false"));
}

const struct conf_type conf_type_bool = {
	.name = "boolean",
	.expect = "true or false",
	.raw = true,
	.parse = bool_parse,
	.format = bool_format,
};

static int no_such_word(const struct conf_row *row, struct str text, struct errmsg *why)
{
	struct conf_distance best = conf_distance_start(text);
	const struct conf_word *nearest = NULL;
	char list[400] = ""; /* what does not fit is left out */
	size_t at = 0;

	for (const struct conf_word *w = row->words; w->text; w++) {
		if (conf_distance_nearer(&best, str_of(w->text)))
			nearest = w;
		if (at < sizeof(list))
			at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s", at ? ", " : "",
					       w->text);
	}
	if (nearest)
		return errmsg_set(why, -EINVAL, "is not one of %s; did you mean %s?", list,
				  nearest->text);
	return errmsg_set(why, -EINVAL, "is not one of %s", list);
}

static const struct conf_word *word_of_text(const struct conf_row *row, struct str text)
{
	for (const struct conf_word *w = row->words; w && w->text; w++)
		if (str_eq(str_of(w->text), text))
			return w;
	return NULL;
}

static const struct conf_word *word_of_value(const struct conf_row *row, uint64_t value)
{
	for (const struct conf_word *w = row->words; w && w->text; w++)
		if (w->value == value)
			return w;
	return NULL;
}

/* A number; the words of the row, if any, stand for numbers outside of its bounds. */
static int number_parse(const struct conf_row *row, struct str text, void *field, void *aux,
			struct conf_arena *arena, struct errmsg *why)
{
	const struct conf_word *word = word_of_text(row, text);
	uint64_t value = 0;
	int err;

	(void)aux, (void)arena;
	if (word) {
		store(row, field, word->value);
		return 0;
	}
	err = conf_text_u64(text, &value);
	if (err == -EINVAL && row->words)
		return errmsg_set(why, err, "is not a whole number or %s", row->words[0].text);
	return bounded(row, err, value, number_text, field, why);
}

static int number_format(const struct conf_row *row, const void *field, const void *aux,
			 struct buf *out)
{
	const struct conf_word *word = word_of_value(row, load(row, field));

	(void)aux;
	if (word)
		return buf_add_str(out, str_of(word->text));
	return buf_printf(out, "%" PRIu64, load(row, field));
}

const struct conf_type conf_type_number = {
	.name = "number",
	.expect = "a whole number",
	.raw = true,
	.parse = number_parse,
	.format = number_format,
};

static int word_parse(const struct conf_row *row, struct str text, void *field, void *aux,
		      struct conf_arena *arena, struct errmsg *why)
{
	const struct conf_word *word = word_of_text(row, text);

	(void)aux, (void)arena;
	if (!word)
		return no_such_word(row, text, why);
	store(row, field, word->value);
	return 0;
}

static int word_format(const struct conf_row *row, const void *field, const void *aux,
		       struct buf *out)
{
	const struct conf_word *word = word_of_value(row, load(row, field));

	(void)aux;
	return buf_add_str(out, str_of(word ? word->text : "?"));
}

const struct conf_type conf_type_word = {
	.name = "word",
	.expect = "a word",
	.parse = word_parse,
	.format = word_format,
};

static int duration_parse(const struct conf_row *row, struct str text, void *field, void *aux,
			  struct conf_arena *arena, struct errmsg *why)
{
	uint64_t value = 0;
	int err = conf_text_duration(text, &value);

	(void)aux, (void)arena;
	return bounded(row, err, value, conf_text_duration_format, field, why);
}

static int duration_format(const struct conf_row *row, const void *field, const void *aux,
			   struct buf *out)
{
	char text[CONF_TEXT_MAX];

	(void)aux;
	conf_text_duration_format(load(row, field), text);
	return buf_add_str(out, str_of(text));
}

const struct conf_type conf_type_duration = {
	.name = "duration",
	.expect = "a duration; write e.g. 200ms, 10s, 5m or 1h",
	.pattern = "^(0|[0-9]+(\\.[0-9]+)?(ms|s|m|h|d))$",
	.parse = duration_parse,
	.format = duration_format,
};

static int duration_opt_parse(const struct conf_row *row, struct str text, void *field, void *aux,
			      struct conf_arena *arena, struct errmsg *why)
{
	int err = duration_parse(row, text, field, NULL, arena, why);

	if (!err)
		*(bool *)aux = true;
	return err;
}

static int duration_opt_format(const struct conf_row *row, const void *field, const void *aux,
			       struct buf *out)
{
	return *(const bool *)aux ? duration_format(row, field, NULL, out) : 0;
}

/* One that may be left out: aux says whether it was given. */
const struct conf_type conf_type_duration_opt = {
	.name = "duration",
	.expect = "a duration; write e.g. 200ms, 10s, 5m or 1h",
	.pattern = "^(0|[0-9]+(\\.[0-9]+)?(ms|s|m|h|d))$",
	.parse = duration_opt_parse,
	.format = duration_opt_format,
};

static int size_parse(const struct conf_row *row, struct str text, void *field, void *aux,
		      struct conf_arena *arena, struct errmsg *why)
{
	uint64_t value = 0;
	int err = conf_text_size(text, &value);

	(void)aux, (void)arena;
	return bounded(row, err, value, conf_text_size_format, field, why);
}

static int size_format(const struct conf_row *row, const void *field, const void *aux,
		       struct buf *out)
{
	char text[CONF_TEXT_MAX];

	(void)aux;
	conf_text_size_format(load(row, field), text);
	return buf_add_str(out, str_of(text));
}

const struct conf_type conf_type_size = {
	.name = "size",
	.expect = "a size; write e.g. 1514, 64KiB or 10MB",
	.pattern = "^[0-9]+(\\.[0-9]+)?([KMGT]iB|[kKMGT]?B)?$",
	.parse = size_parse,
	.format = size_format,
};

static int parse_rate(struct str text, int kinds, struct conf_rate *rate, struct errmsg *why)
{
	uint64_t count, period_ns;
	int kind = conf_text_rate(text, &count, &period_ns);

	if (kind < 0)
		return kind;
	if (!(kind & kinds))
		return errmsg_set(why, -EINVAL, "is a rate of bytes; write e.g. 100/s");
	if (count == 0)
		return errmsg_set(why, -ERANGE,
				  "would admit nothing; to refuse all use acl.deny, for no limit "
				  "leave it out");
	rate->count = count;
	rate->period_ns = period_ns;
	return 0;
}

static int rate_parse(const struct conf_row *row, struct str text, void *field, void *aux,
		      struct conf_arena *arena, struct errmsg *why)
{
	(void)row, (void)aux, (void)arena;
	return parse_rate(text, CONF_TEXT_COUNT, field, why);
}

static int rate_format(const struct conf_row *row, const void *field, const void *aux,
		       struct buf *out)
{
	const struct conf_rate *rate = field;
	char text[CONF_TEXT_MAX];

	(void)row, (void)aux;
	conf_text_rate_format(rate->count, rate->period_ns, CONF_TEXT_COUNT, text);
	return buf_add_str(out, str_of(text));
}

const struct conf_type conf_type_rate = {
	.name = "rate",
	.expect = "a rate; write e.g. 100/s, 6000/min or 10/h",
	.pattern = "^[0-9]+/(s|min|h|d)$",
	.parse = rate_parse,
	.format = rate_format,
};

static int byte_rate_parse(const struct conf_row *row, struct str text, void *field, void *aux,
			   struct conf_arena *arena, struct errmsg *why)
{
	(void)row, (void)aux, (void)arena;
	return parse_rate(text, CONF_TEXT_COUNT | CONF_TEXT_BYTES, field, why);
}

static int byte_rate_format(const struct conf_row *row, const void *field, const void *aux,
			    struct buf *out)
{
	const struct conf_rate *rate = field;
	char text[CONF_TEXT_MAX];

	(void)row, (void)aux;
	conf_text_rate_format(rate->count, rate->period_ns, CONF_TEXT_BYTES, text);
	return buf_add_str(out, str_of(text));
}

const struct conf_type conf_type_byte_rate = {
	.name = "byte rate",
	.expect = "a rate of bytes; write e.g. 10MB/s, 1MiB/s or 100Mbit/s",
	.pattern = "^[0-9]+(\\.[0-9]+)?([KMGT]iB|[kKMGT]?B|[kMG]bit)?/(s|min|h|d)$",
	.parse = byte_rate_parse,
	.format = byte_rate_format,
};

static int string_parse(const struct conf_row *row, struct str text, void *field, void *aux,
			struct conf_arena *arena, struct errmsg *why)
{
	(void)aux;
	if (row->words && !word_of_text(row, text))
		return no_such_word(row, text, why);
	return conf_type_store(row, text, 255, field, arena, why);
}

const struct conf_type conf_type_string = {
	.name = "string",
	.expect = "text",
	.string = true,
	.parse = string_parse,
	.format = conf_type_string_format,
};
