/* SPDX-License-Identifier: BSD-2-Clause */
/* Of status: backends that get nothing new, and what they have yet. */
#pragma once

#include <jansson.h>

struct conf;
struct dataplane;

/*
 * Those whose drain runs, and those that were removed and keep their flows for a while: a row each, up
 * to some number; *ret_more are left out.
 */
json_t *status_drain_list(const struct conf *conf, struct dataplane *dp, size_t *ret_more);
