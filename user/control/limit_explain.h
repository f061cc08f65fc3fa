/* SPDX-License-Identifier: BSD-2-Clause */
/* limit explain, and how a source's meters look in answers. */
#pragma once

#include "dataplane/limit_map.h"
#include "request.h"

const char *limit_kind_name(uint32_t kind);
const char *limit_unit_name(enum limit_unit unit);

/* Add to a row: whose meters they are, what each unit has left and when the next one passes. */
void limit_explain_add(json_t *row, const struct limit_explain *e);

/* The verb: what the next packet of a source would meet. Spends nothing. */
int limit_explain(struct control_request *r);
