/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A line that a taken-over worker wrote: what is passed on as its own is never read as another's, and
 * what is put in place of it is always a line.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/log_line.h"

#define ROLE "worker-1"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whether a reader would take it for somebody else's; *ret_read: a reader understands it at all. */
static int is_foreign(const char *line, size_t n, int *ret_read)
{
	json_t *parsed = json_loadb(line, n, 0, NULL); /* of two keys the last one counts */
	const char *role = parsed ? json_string_value(json_object_get(parsed, "role")) : NULL;
	const int foreign = parsed && (!role || strcmp(role, ROLE) != 0);

	*ret_read = parsed != NULL;
	json_decref(parsed);
	return foreign;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = malloc(size ? size : 1), *to = malloc(size + LOG_LINE_EXTRA);
	int read;
	size_t n;

	for (size_t i = 0; i < size; i++) /* as the pump does before */
		line[i] = data[i] < 0x20 ? '?' : (char)data[i];
	n = log_line_attribute(line, size, ROLE, to);
	if (n > size + LOG_LINE_EXTRA || (n && is_foreign(to, n, &read)))
		abort();
	n = log_line_replace(line, size, ROLE, to);
	if (!n || n >= size + LOG_LINE_EXTRA || is_foreign(to, n, &read) || !read)
		abort();
	free(line);
	free(to);
	return 0;
}
