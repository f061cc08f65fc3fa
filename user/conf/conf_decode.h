/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "conf_node.h"
#include "conf_rows.h"

/*
 * Fill *item by the rows of table from a map (or from nothing: node NULL gives all defaults). Goes
 * on after errors, so that all are found; lists keep one item per node, wrong ones too, so that
 * item i belongs to node i. Memory comes from arena. 0, also when errors were added, or -ENOMEM.
 */
int conf_decode(const struct conf_table *table, struct conf_node *node, void *item,
		struct conf_arena *arena, struct conf_errors *errors);
