/* SPDX-License-Identifier: BSD-2-Clause */
/* The settings part of sluice.yaml(5), in mdoc(7): a subsection per map at the root. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "conf_rows.h"
#include "conf_text.h"
#include "conf_type.h"

static int man_rows(const struct conf_table *table, const char *path, uint8_t tier,
		    struct buf *out);

/* A sentence per line, as mdoc wants it. */
static int man_help(const char *help, struct buf *out)
{
	int err = 0;

	for (const char *end; !err && (end = strstr(help, ". ")); help = end + 2)
		err = buf_printf(out, "%.*s\n", (int)(end + 1 - help), help);
	return err ? err : buf_printf(out, "%s\n", help);
}

static int man_words(const struct conf_word *words, struct buf *out)
{
	int err = 0;

	for (const struct conf_word *w = words; w->text && !err; w++) {
		const char *before = w == words ? "" : w[1].text ? ", " : " or ";

		err = buf_printf(out, "%s%s", before, w->text);
	}
	return err;
}

/* "a number", "list of prefixes", "name of a plan": what stands beside the setting. */
static int man_type(const struct conf_row *row, struct buf *out)
{
	bool list = row->shape == CONF_VALUES || row->shape == CONF_SUBS;
	const char *name = row->table ? "map" : row->type->name;

	if (row->ref && list)
		return buf_printf(out, "list of names of %s", row->ref);
	if (row->ref)
		return buf_printf(out, "name of a %s",
				  conf_row_find(&conf_table_root, row->ref)->table->name);
	if (list)
		return buf_printf(out, "list of %s%s", name,
				  name[strlen(name) - 1] == 'x' ? "es" : "s");
	if (row->words && row->type == &conf_type_number)
		return buf_printf(out, "%s or %s", name, row->words[0].text);
	return row->words ? man_words(row->words, out) : buf_add_str(out, str_of(name));
}

static int man_bounds(const struct conf_row *row, struct buf *out)
{
	void (*format)(uint64_t, char *) = NULL;
	char low[CONF_TEXT_MAX], high[CONF_TEXT_MAX];

	if (row->type == &conf_type_duration || row->type == &conf_type_duration_opt)
		format = conf_text_duration_format;
	else if (row->type == &conf_type_size)
		format = conf_text_size_format;
	if (row->type == &conf_type_number) {
		snprintf(low, sizeof(low), "%" PRIu64, row->min);
		snprintf(high, sizeof(high), "%" PRIu64, conf_type_max(row));
	} else if (format) {
		format(row->min, low);
		format(conf_type_max(row), high);
	} else {
		return 0;
	}
	if (conf_type_max(row) == UINT64_MAX)
		return row->min ? buf_printf(out, "At least %s.\n", low) : 0;
	return buf_printf(out, "From %s to %s.\n", low, high);
}

static int man_default(const struct conf_row *row, struct buf *out)
{
	if (row->flags & CONF_REQUIRED)
		return buf_add_str(out, STR_LIT("Required.\n"));
	if (row->def)
		return buf_printf(out, "Default: %s.\n", row->def);
	if (row->def_help)
		return buf_printf(out, "Default: %s.\n", row->def_help);
	return 0;
}

/* Said where it differs from what the map around it says. */
static int man_tier(uint8_t tier, struct buf *out)
{
	switch (tier) {
	case CONF_TIER_RESTART:
		return buf_add_str(out, STR_LIT("A change needs a restart.\n"));
	case CONF_TIER_DATAPLANE:
		return buf_add_str(out, STR_LIT("A change loads programs or maps anew.\n"));
	case CONF_TIER_LISTENERS:
		return buf_add_str(out, STR_LIT("A change concerns its listener only.\n"));
	case CONF_TIER_ROUTES:
		return buf_add_str(out, STR_LIT("A change holds from the next request on.\n"));
	default:
		return buf_add_str(out, STR_LIT("A change holds at once.\n"));
	}
}

static int man_row(const struct conf_row *row, const char *path, uint8_t around, struct buf *out)
{
	bool list = row->shape == CONF_VALUES || row->shape == CONF_SUBS;
	uint8_t tier = row->tier ? row->tier : around;
	char below[128];
	int err = buf_printf(out, ".It Ic %s.%s : Pq ", path, row->name);

	if (!err)
		err = man_type(row, out);
	if (!err)
		err = buf_add_str(out, STR_LIT("\n"));
	if (!err)
		err = man_help(row->help, out);
	if (!err)
		err = man_default(row, out);
	if (!err && row->shape == CONF_VALUE)
		err = man_bounds(row, out);
	if (!err && list)
		err = buf_printf(out, "At most %u.\n", row->max_items);
	if (!err && tier != around)
		err = man_tier(tier, out);
	if (err || !row->table)
		return err;
	snprintf(below, sizeof(below), "%s.%s%s", path, row->name,
		 row->shape == CONF_SUBS ? "[]" : "");
	return man_rows(row->table, below, tier, out);
}

static int man_rows(const struct conf_table *table, const char *path, uint8_t tier, struct buf *out)
{
	int err = 0;

	for (size_t i = 0; i < table->n && !err; i++)
		err = man_row(&table->rows[i], path, tier, out);
	return err;
}

static int man_section(const struct conf_row *row, struct buf *out)
{
	bool list = row->shape == CONF_SUBS;
	char path[64];
	int err = buf_printf(out, ".Ss %s\n", row->name);

	snprintf(path, sizeof(path), "%s%s", row->name, list ? "[]" : "");
	if (!err)
		err = man_help(row->help, out);
	if (!err)
		err = buf_printf(out, "%s\n", list ? "A list of maps." : "A map.");
	if (!err && list)
		err = buf_printf(out, "At most %u.\n", row->max_items);
	if (!err)
		err = man_tier(row->tier, out);
	if (!err)
		err = buf_add_str(out, STR_LIT(".Bl -tag -width Ds\n"));
	if (!err)
		err = man_rows(row->table, path, row->tier, out);
	return err ? err : buf_add_str(out, STR_LIT(".El\n"));
}

int conf_man(struct buf *out)
{
	int err = 0;

	for (size_t i = 0; i < conf_table_root.n && !err; i++)
		err = man_section(&conf_table_root.rows[i], out);
	return err;
}
