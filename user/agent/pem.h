/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificates of a configuration: read, and tried before anything uses them. */
#pragma once

#include <stdbool.h>

#include "../base/errmsg.h"
#include "pem_checked.h"
#include "revision.h"

struct pem_source {
	/* An fd on the file, or negative errno and *err that names it. */
	int (*open)(const char *path, struct errmsg *err, void *ctx);
	void *ctx;
};

/*
 * Read the pairs that r->conf names into r (blob, pairs) and build a TLS context of each that is not
 * in checked, to see that keys fit and nothing has expired. 0 and r's pairs are usable; -EINVAL and an
 * error at the place of each that is wrong; -ENOMEM.
 */
int pem_load(struct revision *r, const struct pem_source *source, struct pem_checked *checked,
	     struct conf_errors *errors);
/* The same errors, and nothing kept: of a configuration that may have others (conf_outside). */
void pem_check(const struct conf *conf, const struct pem_source *source,
	       struct conf_errors *errors);

/* Take the pairs of a revision over that has as many, in the same order. -EINVAL, -ENOMEM. */
int pem_copy(const struct revision *from, struct revision *to);
/* Is any certificate or key of b another than at the same place of a? */
bool pem_differ(const struct revision *a, const struct revision *b);
