/* SPDX-License-Identifier: BSD-2-Clause */
/* A JSON tree to nodes: the way of operators' edits, which have no lines. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "conf_errors.h"
#include "conf_node.h"

static int read_value(struct conf_node_build *b, const json_t *json);

static int read_map(struct conf_node_build *b, const json_t *json)
{
	const char *key;
	json_t *value;
	int err = conf_node_add(b, CONF_MAP, NULL);

	/* jansson walks objects by a pointer that is not const */
	json_object_foreach((json_t *)json, key, value) {
		if (err)
			return err;
		b->key = conf_arena_copy(b->arena, str_of(key));
		err = b->key ? read_value(b, value) : -ENOMEM;
	}
	return err ? err : conf_node_close(b);
}

static int read_list(struct conf_node_build *b, const json_t *json)
{
	int err = conf_node_add(b, CONF_LIST, NULL);

	for (size_t i = 0; !err && i < json_array_size(json); i++)
		err = read_value(b, json_array_get(json, i));
	return err ? err : conf_node_close(b);
}

static int read_scalar(struct conf_node_build *b, struct str text, bool plain)
{
	struct conf_node *node;
	int err = conf_node_add(b, CONF_SCALAR, &node);

	if (err)
		return err;
	node->plain = plain;
	text.ptr = conf_arena_copy(b->arena, text);
	if (!text.ptr)
		return -ENOMEM;
	node->text = text;
	return 0;
}

/* Recursion ends at CONF_NODE_DEPTH_MAX, which conf_node_add watches. */
static int read_value(struct conf_node_build *b, const json_t *json)
{
	char number[32];

	switch (json_typeof(json)) {
	case JSON_OBJECT:
		return read_map(b, json);
	case JSON_ARRAY:
		return read_list(b, json);
	case JSON_STRING:
		return read_scalar(
			b, (struct str) { json_string_value(json), json_string_length(json) },
			false);
	case JSON_INTEGER:
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(json));
		return read_scalar(b, str_of(number), true);
	case JSON_REAL:
		snprintf(number, sizeof(number), "%.17g", json_real_value(json));
		return read_scalar(b, str_of(number), true);
	case JSON_TRUE:
		return read_scalar(b, STR_LIT("true"), true);
	case JSON_FALSE:
		return read_scalar(b, STR_LIT("false"), true);
	case JSON_NULL:
	default:
		return read_scalar(b, STR_LIT("null"), true);
	}
}

int conf_json_read(const json_t *json, struct conf_arena *arena, struct conf_errors *errors,
		   struct conf_node **ret)
{
	struct conf_node_build b = { .arena = arena };
	int err = read_value(&b, json);

	if (err == -E2BIG)
		return conf_errors_add(errors, 0, 0, "too many values; at most 1,048,576");
	if (err == -ELOOP)
		return conf_errors_add(errors, 0, 0,
				       "nested too deeply; no setting is deeper than 16");
	if (err)
		return err;
	*ret = b.root;
	return 0;
}
