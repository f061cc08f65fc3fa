/* SPDX-License-Identifier: BSD-2-Clause */
/* events: sampled drops and the agent's decisions, as they happen. */
#include <string.h>

#include "conn.h"
#include "request.h"

int control_events(struct control_request *r)
{
	if (strcmp(r->verb, "live") != 0)
		return request_no_verb(r);
	return control_conn_subscribe(r->conn);
}
