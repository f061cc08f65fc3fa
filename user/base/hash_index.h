/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An index over a table of the caller's: from the hash of a key to places in that table. It holds no
 * keys: hashes of two keys may be equal, and who asks compares. Several places may have one key. It
 * grows with what is put in; hashes are keyed, so that no choice of names makes it slow.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hash_index_slot {
	uint32_t hash;
	uint32_t place; /* and one; 0: free */
};

struct hash_index {
	struct hash_index_slot *slots;
	uint32_t room; /* a power of two, or 0: not open */
	uint32_t n;
	uint64_t key[2];
};

/* For n places at first. 0, -ENOMEM or -EIO; cleared is also one of zeros. */
int hash_index_open(struct hash_index *x, uint32_t n);
void hash_index_clear(struct hash_index *x);

uint32_t hash_index_hash(const struct hash_index *x, const void *key, size_t bytes);
/* place: below UINT32_MAX. -ENOMEM: it is as it was. */
int hash_index_put(struct hash_index *x, uint32_t hash, uint32_t place);
/* False: it was not there. */
bool hash_index_del(struct hash_index *x, uint32_t hash, uint32_t place);
/*
 * The next place that was put with hash, in no order; *step is 0 at first. False: no more. Whatever
 * is put or deleted ends such a walk.
 */
bool hash_index_next(const struct hash_index *x, uint32_t hash, uint32_t *step, uint32_t *ret);
