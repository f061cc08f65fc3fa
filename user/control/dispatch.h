/* SPDX-License-Identifier: BSD-2-Clause */
/* From one line of the control socket to the handler of its noun, and back to one answer. */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "../agent/supervisor.h"

struct control_conn;

/*
 * What cannot be understood is answered by an error object; the caller owns it. NULL: the answer comes
 * later, by control_conn_answer.
 */
json_t *dispatch(struct supervisor *s, struct control_conn *conn,
		 const struct supervisor_caller *who, const char *line, size_t len);
