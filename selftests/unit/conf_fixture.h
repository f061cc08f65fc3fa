/* SPDX-License-Identifier: BSD-2-Clause */
/* Configurations from text, for tests that need one. Include after cmocka.h. */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"

/* One configuration that parses; a failure prints the errors and ends the test. */
static inline struct conf *conf_fixture(const char *yaml)
{
	struct conf_errors errors;
	struct conf *conf = NULL;

	if (conf_parse(yaml, strlen(yaml), &conf, &errors) != 0) {
		for (size_t i = 0; i < errors.n; i++)
			print_error("%u:%u: %s\n", errors.error[i].line, errors.error[i].column,
				    errors.error[i].text);
		fail_msg("a configuration that should parse does not");
	}
	return conf;
}

/* A file of the repository, terminated; tests are run from its root. */
static inline char *conf_fixture_file(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = calloc(1, 1 << 20);

	if (!f || !text)
		fail_msg("%s: not readable from here; run tests from the root", path);
	if (fread(text, 1, (1 << 20) - 1, f) == 0)
		fail_msg("%s is empty", path);
	fclose(f);
	return text;
}

/* Is there an error at line:column (0:0: anywhere) that holds the text? */
static inline int conf_fixture_says(const struct conf_errors *errors, uint32_t line,
				    uint32_t column, const char *text)
{
	for (size_t i = 0; i < errors->n; i++)
		if (strstr(errors->error[i].text, text) &&
		    ((!line && !column) ||
		     (errors->error[i].line == line && errors->error[i].column == column)))
			return 1;
	for (size_t i = 0; i < errors->n; i++)
		print_error("%u:%u: %s\n", errors->error[i].line, errors->error[i].column,
			    errors->error[i].text);
	print_error("none of %zu errors at %u:%u says: %s\n", errors->n, line, column, text);
	return 0;
}

/* A text that is refused at line and column, with an error that says so. */
struct wrong {
	const char *yaml;
	uint32_t line, column;
	const char *says;
};

static inline void check_wrong(const struct wrong *rows, size_t n)
{
	size_t missed = 0;

	for (size_t i = 0; i < n; i++) {
		struct conf *conf = (struct conf *)0x1;
		struct conf_errors errors;

		assert_int_equal(conf_parse(rows[i].yaml, strlen(rows[i].yaml), &conf, &errors),
				 -EINVAL);
		assert_ptr_equal(conf, (struct conf *)0x1);
		missed += !conf_fixture_says(&errors, rows[i].line, rows[i].column, rows[i].says);
	}
	assert_int_equal(missed, 0);
}

#define CHECK_WRONG(rows) check_wrong((rows), sizeof(rows) / sizeof((rows)[0]))
