/* SPDX-License-Identifier: BSD-2-Clause */
/* Maps response_service, response_state, response_credit and stats_response: abi/response.h. */
#pragma once

#include "../base/errmsg.h"
#include "../conf/conf.h"
#include "sluice/abi/response.h"

struct dataplane;

/* Make the services those of conf->responses. Credit that clients have stays. 0, or errno and *err. */
int response_map_apply(struct dataplane *dp, const struct conf *conf, struct errmsg *err);
int response_map_stats(struct dataplane *dp, struct stats_response *ret);
