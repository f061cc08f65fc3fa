/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which pairs of certificate and key were found good: a reload tries the others, and that none of
 * these has expired since. Holds hashes and dates, no key.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/errmsg.h"
#include "../tls/tls.h"

struct pem_checked_row {
	uint8_t sha256[TLS_PAIR_HASH_BYTES];
	int64_t expires_s; /* seconds since 1970 */
};

/* All zero: nothing is known. */
struct pem_checked {
	struct pem_checked_row *known; /* in the order of their hashes */
	size_t n_known;
	struct pem_checked_row *fresh; /* good ones since the last settle, known before or not */
	size_t n_fresh, cap_fresh;
	uint64_t tried; /* contexts that were built to see */
};

/*
 * Is the pair good, by what is known or by building a context of it? Errors as tls_context_new.
 *   c  NULL: nothing is known and nothing is noted
 */
int pem_checked_try(struct pem_checked *c, const struct tls_pair *pair, struct errmsg *err);
/*
 * The end of a load. keep: what it found good is what is known from here on, and nothing else, so that
 * there are never more rows than a configuration has pairs. Otherwise it is forgotten.
 */
void pem_checked_settle(struct pem_checked *c, bool keep);
void pem_checked_clear(struct pem_checked *c);
