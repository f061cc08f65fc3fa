/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conf_parse on any bytes: either errors, each with a text, or a configuration whose dump is read
 * back equal, and that takes no edits for all edits.
 */
#include <stdint.h>
#include <stdlib.h>

#include "conf/conf.h"

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

static void check_errors(const struct conf_errors *errors)
{
	struct buf out;

	CHECK(errors->n > 0 && errors->n <= CONF_ERRORS_MAX);
	for (size_t i = 0; i < errors->n; i++) {
		CHECK(errors->error[i].text[0]);
		CHECK(i == 0 || errors->error[i - 1].line <= errors->error[i].line);
	}
	buf_init(&out, 1 << 20);
	CHECK(conf_errors_format(errors, "fuzz", &out) == 0);
	buf_clear(&out);
}

static void check_equal(const struct conf *conf, const struct conf *again)
{
	struct buf diff;

	buf_init(&diff, 1 << 20);
	CHECK(conf_diff(conf, again, &diff) == 0);
	CHECK(buf_len(&diff) == 0);
	buf_clear(&diff);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf *conf = NULL, *again = NULL, *edited = NULL;
	struct conf_errors errors;
	struct buf dump;

	if (conf_parse((const char *)data, size, &conf, &errors) != 0) {
		check_errors(&errors);
		return 0;
	}
	CHECK(errors.n == 0);
	buf_init(&dump, 64U << 20);
	CHECK(conf_dump(conf, CONF_DUMP_FULL, &dump) == 0);
	CHECK(conf_parse(buf_head(&dump), buf_len(&dump), &again, &errors) == 0);
	check_equal(conf, again);
	CHECK(conf_edit(conf, "[]", &edited, &errors) == 0);
	check_equal(conf, edited);
	buf_clear(&dump);
	conf_free(conf);
	conf_free(again);
	conf_free(edited);
	return 0;
}
