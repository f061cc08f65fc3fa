/* SPDX-License-Identifier: BSD-2-Clause */
#include "pem_checked.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static int compare(const void *a, const void *b)
{
	const struct pem_checked_row *x = a, *y = b;

	return memcmp(x->sha256, y->sha256, sizeof(x->sha256));
}

/* Without memory the pair is tried again next time. */
static void note(struct pem_checked *c, const struct pem_checked_row *row)
{
	if (c->n_fresh == c->cap_fresh) {
		size_t cap = c->cap_fresh ? 2 * c->cap_fresh : 64;
		struct pem_checked_row *more = realloc(c->fresh, cap * sizeof(*more));

		if (!more)
			return;
		c->fresh = more;
		c->cap_fresh = cap;
	}
	c->fresh[c->n_fresh++] = *row;
}

static bool is_known(const struct pem_checked *c, struct pem_checked_row *row)
{
	int64_t now_s = (int64_t)(clock_wall_ns() / NS_PER_S);
	const struct pem_checked_row *found =
		c->n_known ? bsearch(row, c->known, c->n_known, sizeof(*row), compare) : NULL;

	if (!found || now_s > found->expires_s)
		return false;
	row->expires_s = found->expires_s;
	return true;
}

int pem_checked_try(struct pem_checked *c, const struct tls_pair *pair, struct errmsg *err)
{
	struct pem_checked_row row = { .expires_s = 0 };
	struct tls_context *ctx;
	int ret;

	tls_pair_sha256(pair, row.sha256);
	if (c && is_known(c, &row)) {
		note(c, &row);
		return 0;
	}
	ret = tls_context_new(pair, 1, NULL, &ctx, err);
	if (c)
		c->tried++;
	if (ret)
		return ret;
	row.expires_s = tls_context_expires(ctx);
	tls_context_unref(ctx);
	if (c)
		note(c, &row);
	return 0;
}

void pem_checked_settle(struct pem_checked *c, bool keep)
{
	if (keep) {
		free(c->known);
		c->known = c->fresh;
		c->n_known = c->n_fresh;
		if (c->n_known)
			qsort(c->known, c->n_known, sizeof(*c->known), compare);
	} else {
		free(c->fresh);
	}
	c->fresh = NULL;
	c->n_fresh = c->cap_fresh = 0;
}

void pem_checked_clear(struct pem_checked *c)
{
	free(c->known);
	free(c->fresh);
	*c = (struct pem_checked) { 0 };
}
