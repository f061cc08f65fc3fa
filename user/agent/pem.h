/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificates of a configuration: read, and tried before anything uses them. */
#pragma once

#include <stdbool.h>

#include "../base/errmsg.h"
#include "revision.h"

struct pem_source {
	/* An fd on the file, or negative errno and *err that names it. */
	int (*open)(const char *path, struct errmsg *err, void *ctx);
	/* Each thing that is wrong, as one line without its newline. */
	void (*on_error)(const char *text, void *ctx);
	void *ctx;
};

/*
 * Read the pairs that r->conf names into r (blob, pairs) and build a TLS context of each listener's,
 * to see that keys fit and nothing has expired. Returns how many errors there were; r's pairs are
 * usable when that is 0.
 */
size_t pem_load(struct revision *r, const struct pem_source *source);

/* Take the pairs of a revision over that has as many, in the same order. -EINVAL, -ENOMEM. */
int pem_copy(const struct revision *from, struct revision *to);
/* Is any certificate or key of b another than at the same place of a? */
bool pem_differ(const struct revision *a, const struct revision *b);
