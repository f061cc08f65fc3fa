/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "conf_node.h"

/* Decode and check a tree: what conf_parse and conf_edit end in. As conf_parse. */
int conf_build(struct conf_node *root, struct conf_arena *scratch, struct conf_errors *errors,
	       struct conf **ret);
