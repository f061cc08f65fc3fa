/* SPDX-License-Identifier: BSD-2-Clause */
/* Files of clusters[].tls, for pem.c: what we show to endpoints, and by whom we check them. */
#pragma once

#include "pem.h"

/* Append a file. Negative errno and *err. */
int pem_read_file(const char *path, const struct pem_source *source, struct buf *to,
		  size_t *ret_len, struct errmsg *err);

/* Paths as names of the pairs; they belong to the configuration. */
void pem_cluster_name(struct revision *r);
/*
 * Append what r->conf names, in the order of r->flat_pairs, and note lengths. Certificates and keys
 * come from source; authorities are no secret, and are read with the process's own rights. false: one
 * of them cannot be read.
 */
bool pem_cluster_read(struct revision *r, const struct pem_source *source, struct buf *to);
/* As workers will use them, with an error for each that is wrong; false: there was one. */
bool pem_cluster_try(const struct revision *r, struct pem_checked *checked,
		     struct conf_errors *errors);
/* Read and try, one by one, keeping nothing. */
void pem_cluster_check(const struct conf *conf, const struct pem_source *source,
		       struct conf_errors *errors);
