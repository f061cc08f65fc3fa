/* SPDX-License-Identifier: BSD-2-Clause */
/* One connection of the control socket: lines of JSON in, lines of JSON out. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "../agent/supervisor.h"
#include "../base/clock.h"
#include "../event/loop.h"

#define CONTROL_CONNS_MAX	 64
#define CONTROL_TURN_LINES	 16 /* requests of one connection before others have their turn */
#define CONTROL_TURN_NS		 (5 * NS_PER_MS) /* and how long they may take, the last aside */
#define CONTROL_IDLE_MS		 30000 /* without a request, when nothing is being sent to it */
#define CONTROL_REFUSED_LOG_NS	 (10 * NS_PER_S)
#define CONTROL_EVENTS_MAX_BYTES (1U << 20) /* queued for a slow reader; then events are skipped */

struct control_conn;

struct control_server {
	struct supervisor *s;
	struct watch watch; /* the listening socket */
	struct control_conn *conns;
	uint32_t n_conns;
	uint64_t n_refused; /* since the last line about it */
	uint64_t refused_logged_ns;
};

/* Take over an accepted socket; told why and closed when there are too many or its peer is unknown. */
void control_conn_open(struct control_server *server, int fd);
void control_conn_close_all(struct control_server *server);

/*
 * What a request leaves running on its connection: stopped when that closes, once. One a connection;
 * -EALREADY.
 */
struct control_stream {
	void (*stop)(struct control_stream *stream);
};
int control_conn_attach(struct control_conn *c, struct control_stream *stream);
/* It has ended by itself: stop is not called any more. */
void control_conn_detach(struct control_conn *c);
/* Send one line. false: the reader is too slow, or gone, and the line was not sent. */
bool control_conn_push(struct control_conn *c, json_t *line);

/*
 * A request whose answer takes a while: its handler returns CONTROL_LATER after this, and somebody
 * calls control_conn_answer (takes answer). Later requests of the connection wait. gone is called
 * instead of that where the connection ends before.
 */
void control_conn_later(struct control_conn *c, void (*gone)(void *ctx), void *ctx);
void control_conn_answer(struct control_conn *c, json_t *answer);
/* The same of an answer that is text already, with its end of line: a tree of it would take too long. */
void control_conn_answer_text(struct control_conn *c, struct str line);
/* The descriptor that came with the request, the caller's from now on; -1: none. */
int control_conn_take_fd(struct control_conn *c);

/* From now on every event of the supervisor is sent on this connection. */
int control_conn_subscribe(struct control_conn *c);
