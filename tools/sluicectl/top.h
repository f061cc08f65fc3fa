/* SPDX-License-Identifier: BSD-2-Clause */
/* top: one list, or one after the other. */
#pragma once

#include "client.h"
#include "command.h"

/*
 * Ask and print, again every= seconds; without it every two on a terminal, else once. Returns the
 * exit status.
 *   request  its every= is ours and taken out
 */
int top_run(struct client *client, const struct command *c, json_t *request, bool as_json,
	    bool once);
