/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf_errors.h"

/* By key, then by place in the file. */
static int by_key(const void *a, const void *b)
{
	const struct conf_unique *x = a, *y = b;
	size_t n = x->key_bytes < y->key_bytes ? x->key_bytes : y->key_bytes;
	int order = memcmp(x->key, y->key, n);

	if (!order)
		order = (x->key_bytes > y->key_bytes) - (x->key_bytes < y->key_bytes);
	if (!order)
		order = (x->node->line > y->node->line) - (x->node->line < y->node->line);
	if (!order)
		order = (x->node->column > y->node->column) - (x->node->column < y->node->column);
	return order ? order : (x->key > y->key) - (x->key < y->key);
}

void conf_check_unique(struct conf_unique *entries, size_t n, const char *what,
		       struct conf_errors *errors)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (entries[i].node && !entries[i].node->bad)
			entries[kept++] = entries[i];
	if (kept)
		qsort(entries, kept, sizeof(*entries), by_key);
	for (size_t i = 1; i < kept; i++) {
		const struct conf_unique *first = &entries[i - 1];
		char path[128];

		if (first->key_bytes != entries[i].key_bytes ||
		    memcmp(first->key, entries[i].key, first->key_bytes) != 0)
			continue;
		conf_node_path(first->node, path, sizeof(path));
		if (first->node->line)
			conf_node_fail(errors, entries[i].node, "%s %s in line %u", what, path,
				       first->node->line);
		else
			conf_node_fail(errors, entries[i].node, "%s %s", what, path);
	}
}

int conf_check(const struct conf *conf, struct conf_node *root, struct conf_arena *scratch,
	       struct conf_errors *errors)
{
	int err = conf_check_kernel(conf, root, scratch, errors);

	return err ? err : conf_check_gateway(conf, root, scratch, errors);
}
