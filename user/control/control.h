/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket: a file per resource, each a handler for one noun of sluicectl. Handlers read
 * the supervisor and change it only through supervisor_apply, supervisor_edit and the accessors of
 * dataplane/; each write leaves an audit record.
 */
#pragma once

#include "../agent/supervisor.h"

/* Serve the control socket and the internal HTTP listener (either fd may be -1) on the loop. */
int control_start(struct supervisor *s, int control_fd, int internal_fd, struct errmsg *err);
void control_stop(struct supervisor *s);
