/* SPDX-License-Identifier: BSD-2-Clause */
/* The JSON Schema (draft 7, which editors know) of the file, for completion and red underlines. */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "conf_rows.h"
#include "conf_text.h"
#include "conf_type.h"

static json_t *map_schema(const struct conf_table *table);

static json_t *words_schema(const struct conf_word *words, bool or_null)
{
	json_t *list = json_array();

	for (; words->text; words++)
		json_array_append_new(list, json_string(words->text));
	if (or_null)
		json_array_append_new(list, json_null());
	return json_pack("{s:o}", "enum", list);
}

/* "string", or ["string", "null"] where the setting may be left out. */
static json_t *types(const char *first, const char *second, bool or_null)
{
	json_t *list;

	if (!second && !or_null)
		return json_string(first);
	list = json_pack("[s]", first);
	if (second)
		json_array_append_new(list, json_string(second));
	if (or_null)
		json_array_append_new(list, json_string("null"));
	return list;
}

static json_t *number_schema(const struct conf_row *row, bool or_null)
{
	json_t *number = json_pack("{s:o}", "type", types("integer", NULL, or_null && !row->words));

	json_object_set_new(number, "minimum", json_integer((json_int_t)row->min));
	if (conf_type_max(row) <= INT64_MAX)
		json_object_set_new(number, "maximum",
				    json_integer((json_int_t)conf_type_max(row)));
	if (!row->words)
		return number;
	return json_pack("{s:[o,o]}", "anyOf", number, words_schema(row->words, or_null));
}

static json_t *value_schema(const struct conf_row *row, bool or_null)
{
	json_t *schema;
	bool number;

	if (row->type == &conf_type_number)
		return number_schema(row, or_null);
	if (row->words)
		return words_schema(row->words, or_null);
	if (row->type == &conf_type_bool)
		return json_pack("{s:o}", "type", types("boolean", NULL, or_null));
	/* "burst: 1514" and "ports: [53]" are numbers to YAML */
	number = row->type == &conf_type_size || row->type == &conf_type_ports ||
		 row->type == &conf_type_place_ports || row->type == &conf_type_server_id;
	schema = json_pack("{s:o}", "type", types("string", number ? "integer" : NULL, or_null));
	if (row->type->pattern)
		json_object_set_new(schema, "pattern", json_string(row->type->pattern));
	return schema;
}

static json_t *item_schema(const struct conf_row *row)
{
	const struct conf_row *lone;

	if (row->shape == CONF_VALUES)
		return value_schema(row, false);
	if (!row->table->shorthand)
		return map_schema(row->table);
	lone = conf_row_find(row->table, row->table->shorthand);
	return json_pack("{s:[o,o]}", "anyOf", value_schema(lone, false), map_schema(row->table));
}

static json_t *default_of(const struct conf_row *row)
{
	uint64_t number;

	if (row->type == &conf_type_bool)
		return json_boolean(strcmp(row->def, "true") == 0);
	if (row->type == &conf_type_number && conf_text_u64(str_of(row->def), &number) == 0)
		return json_integer((json_int_t)number);
	return json_string(row->def);
}

static json_t *row_schema(const struct conf_row *row)
{
	bool or_null = !(row->flags & CONF_REQUIRED);
	json_t *schema;

	switch (row->shape) {
	case CONF_VALUE:
		schema = value_schema(row, or_null);
		break;
	case CONF_SUB:
		schema = map_schema(row->table);
		if (or_null)
			json_object_set_new(schema, "type", types("object", NULL, true));
		break;
	case CONF_VALUES:
	case CONF_SUBS:
	default:
		schema = json_pack("{s:o,s:o,s:I}", "type", types("array", NULL, or_null), "items",
				   item_schema(row), "maxItems", (json_int_t)row->max_items);
	}
	json_object_set_new(schema, "description", json_string(row->help));
	if (row->def && row->shape == CONF_VALUE)
		json_object_set_new(schema, "default", default_of(row));
	return schema;
}

static json_t *map_schema(const struct conf_table *table)
{
	json_t *properties = json_object(), *required = json_array(), *schema;

	for (size_t i = 0; i < table->n; i++) {
		const struct conf_row *row = &table->rows[i];

		json_object_set_new(properties, row->name, row_schema(row));
		if (row->flags & CONF_REQUIRED)
			json_array_append_new(required, json_string(row->name));
	}
	schema = json_pack("{s:s,s:b,s:o}", "type", "object", "additionalProperties", 0,
			   "properties", properties);
	if (json_array_size(required))
		json_object_set(schema, "required", required);
	json_decref(required);
	return schema;
}

int conf_schema(struct buf *out)
{
	json_t *schema = map_schema(&conf_table_root);
	char *text;
	int err;

	json_object_set_new(schema, "$schema",
			    json_string("http://json-schema.org/draft-07/schema#"));
	json_object_set_new(schema, "title", json_string("sluice.yaml"));
	text = json_dumps(schema, JSON_INDENT(1));
	json_decref(schema);
	if (!text)
		return -ENOMEM;
	err = buf_printf(out, "%s\n", text);
	free(text);
	return err;
}
