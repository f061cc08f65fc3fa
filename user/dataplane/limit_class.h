/* SPDX-License-Identifier: BSD-2-Clause */
/* Map limit_class: ids of limits by their names, and rates by id. For the limit_* files. */
#pragma once

#include "conf/conf.h"
#include "dataplane.h"
#include "sluice/abi/limit.h"

/* By id; NULL: cannot be mapped. */
struct limit_class *limit_class_all(struct dataplane *dp);
/* Rates as the meters spend them, by index of the limit. -ERANGE and *err. */
int limit_class_compile(const struct conf_limit *limits, size_t n, struct limit_rates *ret,
			struct errmsg *err);
/*
 * An id for each limit: ret_ids by number (index + 1), [0] is LIMIT_CLASS_NONE; ret_reused by id:
 * it was another's. Writes nothing. -ENOSPC and *err: more limits than ids.
 */
int limit_class_assign(struct dataplane *dp, const struct conf_limit *limits, size_t n,
		       uint8_t ret_ids[LIMIT_CLASSES], bool ret_reused[LIMIT_CLASSES],
		       struct errmsg *err);
/* Write the names; what is reused is taken from the limit that had it. */
int limit_class_name(struct dataplane *dp, const struct conf_limit *limits, size_t n,
		     const uint8_t *ids, const bool *reused, struct errmsg *err);
/* Put the rates of the n limits in force; those of all other classes stay until limit_class_end. */
void limit_class_begin(struct dataplane *dp, const uint8_t *ids, const struct limit_rates *rates,
		       size_t n);
void limit_class_end(struct dataplane *dp, const uint8_t *ids, size_t n);
/* How long the slowest bucket of a source takes to fill. */
uint64_t limit_class_refill_ms(struct dataplane *dp);
