/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A gateway in the test's own process and thread, with scripted clients and endpoints on loopback.
 * Whatever a test waits for, the loop turns meanwhile: no thread, no sleep, no race.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "base/clock.h"
#include "gateway/gateway.h"

#define WORLD_ENDPOINTS	  3
#define WORLD_METERS	  64
#define WORLD_DEADLINE_MS 10000

struct world {
	struct loop *loop;
	struct gateway *gateway;
	uint64_t meters[WORLD_METERS];
	struct presence_region *presence;
	uint16_t port;			  /* of the first listener */
	int endpoint_fd[WORLD_ENDPOINTS]; /* listening */
	uint16_t endpoint_port[WORLD_ENDPOINTS];
	struct gateway_refusal refusal; /* the last one */
	unsigned int n_refusals;
	struct addr peer; /* the last one that was told */
	unsigned int n_peers;
	uint64_t memory_bytes; /* that it believes to have taken */
	bool drained;
	uint64_t revision;
	int log_fd;
	const struct tls_pair *pair;	    /* of listeners with certificates */
	const struct tls_pair *client_auth; /* by listener: authorities and CRLs; NULL: none */
	const struct tls_pair *authority, *shown; /* of clusters with tls */
};

/* "$0", "$1", … in text become endpoint ports. */
#define WORLD_HEAD                                                     \
	"agent: {}\n"                                                  \
	"listeners: [{name: web, address: 127.0.0.1, port: 80, %s}]\n" \
	"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"], %s}]\n"

void world_start(struct world *w, const char *yaml);
/* A new revision: listeners keep their sockets. Its negative errno. */
int world_apply(struct world *w, const char *yaml);
void world_stop(struct world *w);
void world_turn(struct world *w);
/* The log so far, NUL-terminated; free it. */
char *world_log(struct world *w);
/* Wait until the log holds this text. */
void world_expect_log(struct world *w, const char *text);

#define WORLD_WAIT(w, cond)                                                                  \
	do {                                                                                 \
		uint64_t wait_until = clock_now_ns() + WORLD_DEADLINE_MS * NS_PER_MS;        \
		while (!(cond)) {                                                            \
			world_turn(w);                                                       \
			if (clock_now_ns() > wait_until)                                     \
				fail_msg("%s:%d: waited in vain for %s", __FILE__, __LINE__, \
					 #cond);                                             \
		}                                                                            \
	} while (0)

/* One end of a connection, client or endpoint. */
struct peer {
	struct world *w;
	int fd;
	char *data; /* received and not taken yet, NUL-terminated */
	size_t len, cap;
	bool ended; /* the other side's end was seen */
	int err;    /* errno of a failure, ECONNRESET above all */
	char *head; /* the last one that was taken */
};

void peer_connect(struct peer *p, struct world *w);
void peer_accept(struct peer *p, struct world *w, int endpoint);
bool peer_try_accept(struct peer *p, struct world *w, int endpoint);
void peer_send(struct peer *p, const char *text);
void peer_send_n(struct peer *p, const void *data, size_t n);
/* What goes without waiting; the bytes sent. */
size_t peer_try_send(struct peer *p, const void *data, size_t n);
void peer_receive(struct peer *p); /* what is there now */
/* Take a head: everything to the empty line. */
const char *peer_head(struct peer *p);
/* Take exactly this text. */
void peer_expect(struct peer *p, const char *text);
void peer_take(struct peer *p, size_t n); /* wait for n bytes and drop them */
void peer_expect_end(struct peer *p);	  /* nothing more, and the end */
void peer_expect_silence(struct peer *p); /* nothing after the loop has come to rest */
/* Take an answer of the gateway's own that begins so and has this code in field and body. */
void peer_expect_problem(struct peer *p, const char *status_line, const char *code);
/* Have one request of client p served by endpoint 0, whose end is e, so that a connection is kept. */
void peer_warm_up(struct peer *p, struct peer *e);
void peer_close(struct peer *p);
void peer_reset(struct peer *p); /* by RST */

/* The value of the first field of that name in a head, NULL: none. Overwritten by the next call. */
const char *head_field(const char *head, const char *name);
unsigned int head_count(const char *head, const char *name);
