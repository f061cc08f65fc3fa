/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "request.h"

struct vip_backend_state;

/* One vip with all that is known of its backends, into r->data. */
int vip_show(struct control_request *r, struct dataplane *dp, const struct conf_vip *vip);
/* As the configuration has it. */
const char *vip_show_mode(const struct conf_vip *vip);
/* Seconds until its drain is over; 0: none runs. */
json_int_t vip_show_drain_left(const struct conf_backend *b);
/* "up", "down", "starting", …: what to call a backend, whatever the reason. health: NULL, not checked. */
const char *vip_show_state(const struct conf_backend *b, bool has_hop,
			   const struct health_info *health);
/* What a backend of mode nat has of flows, added to its object. */
void vip_show_flows(json_t *backend, const struct vip_backend_state *b);
