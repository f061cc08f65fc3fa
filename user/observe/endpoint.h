/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small HTTP/1.1 server for the internal listener: GET and HEAD of fixed paths, one answer a
 * connection, at most ENDPOINT_CONNS_MAX at once, each at most ENDPOINT_TIMEOUT_MS long. One more ends
 * the oldest.
 */
#pragma once

#include "../base/buf.h"
#include "../event/loop.h"

#define ENDPOINT_CONNS_MAX  64
#define ENDPOINT_TIMEOUT_MS 10000
#define ENDPOINT_BODY_MAX   (16U << 20)

struct endpoint {
	const char *path;
	/* Fill body and *type (a content type); returns the status. */
	unsigned int (*answer)(struct buf *body, const char **type, void *ctx);
};

struct endpoint_server;

/* table: ended by a row without path; must outlive the server. fd is a listening TCP socket. */
int endpoint_open(struct loop *l, int fd, const struct endpoint *table, void *ctx,
		  struct endpoint_server **ret);
void endpoint_close(struct endpoint_server *s);
