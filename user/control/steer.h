/* SPDX-License-Identifier: BSD-2-Clause */
/* What `status` says about connections that are steered to listeners; dp may be NULL. */
#pragma once

#include <jansson.h>

#include "../agent/supervisor.h"

/* By listener: rules and what became of look-ups. */
json_t *steer_listeners(struct supervisor *s, struct dataplane *dp);
/* By prefix: how it is this host's. */
json_t *steer_routes(struct dataplane *dp);
void steer_warnings(struct supervisor *s, struct dataplane *dp, json_t *warnings);
