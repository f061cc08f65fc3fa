/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One connection of http_load: it asks for a path, and holds the answer against what it has to be:
 * status 200, the length, every byte of the body. Without threads; non-blocking, level-triggered.
 */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum load_mode {
	LOAD_KEEP,    /* one connection for all requests */
	LOAD_FULL,    /* each on a new connection, by a full handshake */
	LOAD_RESUMED, /* each on a new connection, by the last one's ticket */
};

struct load {
	uint16_t port; /* on 127.0.0.1 */
	enum load_mode mode;
	bool tls;
	bool h2; /* over TLS */
	int epoll_fd;
	SSL_CTX *ctx;
	char request[1024];
	size_t request_bytes;
	unsigned char *body; /* as it has to come */
	size_t body_bytes;
	/* since the last report */
	uint64_t requests, errors, tickets, resumed;
	char why[160]; /* of the first error */
};

struct client {
	struct load *load;
	struct client *next; /* of those that wait for a request */
	int fd;		     /* -1: not connected */
	SSL *ssl;
	SSL_SESSION *session;
	bool handshaking;
	bool busy; /* a request is under way */
	char head[2048];
	size_t head_bytes;
	bool head_done;
	size_t body_at;
	struct nghttp2_session *h2;
	bool h2_closed, h2_ok; /* the stream; with status 200 */
	uint64_t due_ns;       /* when the request should have been sent */
};

/* Sets up TLS; exits on failure. */
void load_open(struct load *l);
void load_close(struct load *l);

/* Send a request, on a new connection where there is none. false: failed, and counted. */
bool client_ask(struct client *c);
/* After an event of its descriptor. true: c is no longer busy, with an answer or a counted error. */
bool client_event(struct client *c);
void client_close(struct client *c);

/* client_h2.c: of an open TLS connection. */
bool client_h2_open(struct client *c);
void client_h2_close(struct client *c);
bool client_h2_ask(struct client *c);
/* Bytes that came: 1 answered, 0 not yet, -1 not what it has to be. */
int client_h2_take(struct client *c, const unsigned char *data, size_t n);
