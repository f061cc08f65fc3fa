/* SPDX-License-Identifier: BSD-2-Clause */
/* From one line of the control socket to the handler of its noun, and back to one answer. */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "../agent/supervisor.h"

struct control_conn;

/* Never NULL: what cannot be understood is answered by an error object. The caller owns it. */
json_t *dispatch(struct supervisor *s, struct control_conn *conn,
		 const struct supervisor_caller *who, const char *line, size_t len);
