/* SPDX-License-Identifier: BSD-2-Clause */
/* The control socket from the caller's side. */
#pragma once

#include <jansson.h>
#include <stddef.h>

struct client {
	int fd;
	char *line; /* what was received beyond the last line */
	size_t len;
	size_t cap;
};

/* 0 or negative errno: -ENOENT, -ECONNREFUSED (no agent), -EACCES. */
int client_open(struct client *c, const char *path);
void client_close(struct client *c);
/* Send one request and wait for its answer. Negative errno; *ret is the caller's to release. */
int client_call(struct client *c, const json_t *request, json_t **ret);
/* With a descriptor; -1: none. */
int client_call_fd(struct client *c, const json_t *request, int fd, json_t **ret);
/* Wait for one more line. -EPIPE: the agent closed. */
int client_next(struct client *c, json_t **ret);

/*
 * The address that this process's SSH session comes from: SSH_CONNECTION of this process or, since
 * sudo removes it, of the nearest ancestor that has it. -ENOENT when there is no such session.
 */
int client_ssh_address(char *text, size_t text_bytes);
