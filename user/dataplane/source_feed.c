/* SPDX-License-Identifier: BSD-2-Clause */
#include "source_feed.h"

#include <errno.h>

#include "base/addr.h"
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

void source_feed_diff(const struct source_feed *f, const struct source_table *t, size_t *ret_added,
		      size_t *ret_removed)
{
	const struct source_nets *v4 = &t->lists_v4.list[SOURCE_IS_FEED];
	const struct source_nets *v6 = &t->lists_v6.list[SOURCE_IS_FEED];

	*ret_added = missing(&f->nets.v4, v4) + missing(&f->nets.v6, v6);
	*ret_removed = missing(v4, &f->nets.v4) + missing(v6, &f->nets.v6);
}

bool source_feed_covers(const struct source_feed *f, const struct addr *a)
{
	const bool is_v4 = addr_is_v4(a);
	const uint32_t bits = is_v4 ? SOURCE_NET_BITS_V4 : SOURCE_NET_BITS_V6;
	const struct prefix host = { is_v4 ? 128 : bits, *a };
	struct source_net net = { 0 };
	bool covered = false, v4;
	uint32_t len;

	source_net_from(&host, &v4, &net);
	for (len = 0; len <= bits && !covered; len++)
		covered = source_nets_cover(v4 ? &f->nets.v4 : &f->nets.v6, net.addr, len);
	return covered;
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
