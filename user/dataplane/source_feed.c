/* SPDX-License-Identifier: BSD-2-Clause */
#include "source_feed.h"

#include <errno.h>

#include "base/cleanup.h"
#include "source_state.h"

struct source_feed {
	struct source_pair nets;
};

static void free_feed(struct source_feed **f)
{
	source_feed_free(*f);
}

int source_feed_new(const struct prefix *want, size_t n, struct source_feed **ret)
{
	CLEANUP(free_feed) struct source_feed *f = calloc(1, sizeof(*f));
	size_t i;
	int err = f ? 0 : -ENOMEM;

	for (i = 0; !err && i < n; i++)
		err = source_pair_push(&f->nets, &want[i], 0);
	if (!err)
		err = source_pair_sort(&f->nets);
	if (!err)
		*ret = take_ptr(&f);
	return err;
}

void source_feed_free(struct source_feed *f)
{
	if (f)
		source_pair_clear(&f->nets);
	free(f);
}

size_t source_feed_count(const struct source_feed *f)
{
	return f->nets.v4.n + f->nets.v6.n;
}

/* Both are sorted. */
static size_t missing(const struct source_nets *of, const struct source_nets *in)
{
	size_t n = 0, i, j = 0;

	for (i = 0; i < of->n; i++) {
		while (j < in->n && source_net_cmp(&in->v[j], &of->v[i]) < 0)
			j++;
		n += j == in->n || source_net_cmp(&in->v[j], &of->v[i]) != 0;
	}
	return n;
}

size_t source_feed_missing(const struct source_feed *of, const struct source_feed *in)
{
	return missing(&of->nets.v4, &in->nets.v4) + missing(&of->nets.v6, &in->nets.v6);
}

static void swap(struct source_nets *a, struct source_nets *b)
{
	const struct source_nets was = *a;

	*a = *b;
	*b = was;
}

void source_feed_swap(struct source_feed *f, struct source_table *t)
{
	swap(&f->nets.v4, &t->lists_v4.list[SOURCE_IS_FEED]);
	swap(&f->nets.v6, &t->lists_v6.list[SOURCE_IS_FEED]);
	t->changed = true;
}
