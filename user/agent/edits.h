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
};

/* conf with all edits applied; *ret is conf itself, without edits. As conf_edit. */
int edits_apply(struct edits *e, struct conf *conf, struct conf **ret, struct conf_errors *errors,
		struct errmsg *err);
/* One edit applied to conf, which stays the caller's. As conf_edit. */
int edits_try(const struct conf *conf, json_t *edit, struct conf **ret, struct conf_errors *errors);
/* Remember an edit that is in force now. Negative errno and *err: it will not survive. */
int edits_add(struct edits *e, json_t *edit, struct errmsg *err);
int edits_clear(struct edits *e, struct errmsg *err);
