/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "conf_node.h"

/* Decode and check a tree: what conf_parse_with and conf_edit end in. As conf_parse_with. */
int conf_build(struct conf_node *root, struct conf_arena *scratch,
	       const struct conf_outside *outside, struct conf_errors *errors, struct conf **ret);
