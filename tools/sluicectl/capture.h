/* SPDX-License-Identifier: BSD-2-Clause */
/* capture: what the agent sends becomes a file here, under the caller's own rights. */
#pragma once

#include "client.h"
#include "command.h"

/*
 * Write the file until the agent says that it is the end. Each packet is written at once, so that an
 * interrupt leaves a whole file. Returns the exit status.
 *   request  its argument pcapng, the file's path ("-": standard output), is ours and taken out
 */
int capture_run(struct client *client, const struct command *c, json_t *request, bool as_json);
