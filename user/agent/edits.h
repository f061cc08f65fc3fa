/* SPDX-License-Identifier: BSD-2-Clause */
/* Operators' changes on top of the file: durable where there is storage, else until a restart. */
#pragma once

#include <jansson.h>

#include "../base/errmsg.h"
#include "../conf/conf.h"
#include "../storage/storage.h"

struct edits {
	struct storage *storage; /* NULL: none */
	json_t *list;		 /* without storage: the array that conf_edit takes */
	json_t *gone;		 /* of backends that the configuration in hand has no more */
	/* As a warning: stored edits that are not in force since they do not fit. "": none. */
	struct errmsg skipped_why;
};

/*
 * conf with all edits applied; *ret is conf itself, without edits. As conf_edit, but that weights and
 * drains of backends that conf does not have are left out: to be removed is what a drain is for.
 */
int edits_apply(struct edits *e, struct conf *conf, struct conf **ret, struct conf_errors *errors,
		struct errmsg *err);
/*
 * For the start: conf with the edits that fit to it. Those that do not (the file has lost what they
 * are about) are left out, with a log line each and in skipped_why; they stay stored.
 * Quick while all fit; otherwise groups are halved until what does not fit is found. That takes the
 * square of their number when much does not: from until_ns on, a group that does not fit is left out
 * as it is.
 */
int edits_apply_fitting(struct edits *e, struct conf *conf, uint64_t until_ns, struct conf **ret,
			struct conf_errors *errors, struct errmsg *err);
/* All stored edits are in force, or forgotten: nothing is skipped, and what was left out goes. */
void edits_settled(struct edits *e);
/* One edit applied to conf, which stays the caller's. As conf_edit. */
int edits_try(const struct conf *conf, json_t *edit, struct conf **ret, struct conf_errors *errors);
/* Remember an edit that is in force now. Negative errno and *err: it will not survive. */
int edits_add(struct edits *e, json_t *edit, struct errmsg *err);
int edits_clear(struct edits *e, struct errmsg *err);
