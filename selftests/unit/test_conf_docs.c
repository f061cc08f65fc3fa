/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pages that are made from the rows are committed, and have to be what the rows make. Run from
 * the root with SLUICE_UPDATE_DOCS=1 to write them anew.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "conf/conf_rows.h"
#include "conf_fixture.h"

#define SCHEMA_PATH "docs/sluice.schema.json"
#define MAN_PATH    "docs/man/sluice.yaml.5"
#define MAN_BEGIN   ".\\\" begin of the generated part\n"
#define MAN_END	    ".\\\" end of the generated part\n"

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

static int updating(void)
{
	return getenv("SLUICE_UPDATE_DOCS") != NULL;
}

static void test_the_schema_is_what_the_rows_make(void **state)
{
	struct buf made;
	char *committed;

	(void)state;
	buf_init(&made, 1 << 20);
	assert_int_equal(conf_schema(&made), 0);
	buf_add(&made, "", 1);
	if (updating())
		write_file(SCHEMA_PATH, buf_head(&made));
	committed = conf_fixture_file(SCHEMA_PATH);
	assert_string_equal(committed, buf_head(&made));
	free(committed);
	buf_clear(&made);
}

static void test_the_manual_is_what_the_rows_make(void **state)
{
	char *page = conf_fixture_file(MAN_PATH), *begin = strstr(page, MAN_BEGIN);
	char *end = strstr(page, MAN_END);
	struct buf made;

	(void)state;
	assert_non_null(begin);
	assert_non_null(end);
	begin += strlen(MAN_BEGIN);
	buf_init(&made, 1 << 20);
	if (updating()) {
		buf_add(&made, page, (size_t)(begin - page));
		assert_int_equal(conf_man(&made), 0);
		buf_add(&made, end, strlen(end) + 1);
		write_file(MAN_PATH, buf_head(&made));
	} else {
		assert_int_equal(conf_man(&made), 0);
		buf_add(&made, "", 1);
		*end = '\0';
		assert_string_equal(begin, buf_head(&made));
	}
	buf_clear(&made);
	free(page);
}

/* Every setting of every map has help that ends like a sentence, and a place in the page. */
static size_t check_help(const struct conf_table *table)
{
	size_t n = table->n;

	assert_true(table->n <= CONF_TABLE_ROWS_MAX);
	for (size_t i = 0; i < table->n; i++) {
		const struct conf_row *row = &table->rows[i];

		assert_non_null(row->help);
		assert_int_equal(row->help[strlen(row->help) - 1], '.');
		if (row->shape == CONF_SUB || row->shape == CONF_SUBS)
			n += check_help(row->table);
		else
			assert_non_null(row->type);
		if (row->shape == CONF_SUBS || row->shape == CONF_VALUES)
			assert_true(row->max_items > 0);
	}
	return n;
}

static void test_every_row_explains_itself(void **state)
{
	(void)state;
	assert_true(check_help(&conf_table_root) > 100);
}

static void test_the_examples_of_the_page_parse(void **state)
{
	char *page = conf_fixture_file(MAN_PATH), *at = page, *end;
	int n = 0;

	(void)state;
	while ((at = strstr(at, ".Bd -literal"))) {
		at = strchr(at, '\n') + 1;
		end = strstr(at, ".Ed\n");
		assert_non_null(end);
		*end = '\0';
		conf_free(conf_fixture(at));
		at = end + 1;
		n++;
	}
	assert_int_equal(n, 2);
	free(page);
}

/* Enough of JSON Schema for our own: an object's members are known, and required ones there. */
static void check_against(const json_t *schema, const json_t *value)
{
	const json_t *choices = json_object_get(schema, "anyOf"), *items, *properties, *member;
	const char *key;
	size_t i;

	if (choices) /* a lone word, or the whole map */
		schema = json_array_get(choices, json_array_size(choices) - 1);
	properties = json_object_get(schema, "properties");
	if (json_is_object(value)) {
		json_object_foreach((json_t *)value, key, member) {
			assert_non_null(json_object_get(properties, key));
			check_against(json_object_get(properties, key), member);
		}
		json_array_foreach(json_object_get(schema, "required"), i, member)
			assert_non_null(json_object_get(value, json_string_value(member)));
	}
	items = json_object_get(schema, "items");
	json_array_foreach(value, i, member)
		check_against(items, member);
}

static void test_a_dump_has_the_shape_of_the_schema(void **state)
{
	char *text = conf_fixture_file("docs/example/sluice.yaml");
	struct conf *conf = conf_fixture(text);
	json_t *schema, *value;
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	assert_int_equal(conf_dump(conf, CONF_DUMP_FULL, &out), 0);
	value = json_loadb(buf_head(&out), buf_len(&out), 0, NULL);
	schema = json_load_file(SCHEMA_PATH, 0, NULL);
	assert_non_null(value);
	assert_non_null(schema);
	check_against(schema, value);
	json_decref(value);
	json_decref(schema);
	buf_clear(&out);
	conf_free(conf);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_schema_is_what_the_rows_make),
		cmocka_unit_test(test_the_manual_is_what_the_rows_make),
		cmocka_unit_test(test_every_row_explains_itself),
		cmocka_unit_test(test_the_examples_of_the_page_parse),
		cmocka_unit_test(test_a_dump_has_the_shape_of_the_schema),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
