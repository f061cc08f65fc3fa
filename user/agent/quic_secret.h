/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys of encrypted connection ids: files that vips name, read into the configuration's memory. */
#pragma once

#include "conf/conf.h"
#include "pem.h"

/*
 * Read the keys that conf names into it.
 *   was  a configuration whose keys are used where the path is the same; NULL: all are read
 * 0; -EINVAL and an error at the place of each that cannot be read or is no key. Nothing of a key's
 * bytes is in an error.
 */
int quic_secret_load(struct conf *conf, const struct conf *was, const struct pem_source *source,
		     struct conf_errors *errors);
/* The same errors, and nothing kept. */
void quic_secret_check(const struct conf *conf, const struct pem_source *source,
		       struct conf_errors *errors);
/* Is any key of b another than at the same place of a? Of configurations that are the same text. */
bool quic_secret_differ(const struct conf *a, const struct conf *b);
