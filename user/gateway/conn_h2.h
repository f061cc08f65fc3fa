/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection that speaks HTTP/2: many exchanges, each with a stream of its session. */
#pragma once

#include "conn.h"
#include "policy/termination.h"

/* What a connection's timer runs for. */
enum conn_h2_wait {
	CONN_H2_NONE,  /* exchanges have their own times */
	CONN_H2_IDLE,  /* for a request */
	CONN_H2_HEAD,  /* for the end of a head, which holds up all streams */
	CONN_H2_TAKE,  /* for the client to take what is queued for all of them */
	CONN_H2_DRAIN, /* for requests that were on their way when we said to close */
};

struct conn_h2 {
	struct h2_session *session;
	enum conn_h2_wait wait;
	uint64_t taken_mark; /* CONN_H2_TAKE: conn_bytes_taken when it began */
	bool warned;	     /* GOAWAY, but streams are still taken */
	bool refuses;	     /* they are not */
};

/* From here on it speaks HTTP/2; what came of it is in stream.in. */
void conn_h2_start(struct conn *c);
void conn_h2_read(struct conn *c);
/* Frames are queued: send them in this turn. */
void conn_h2_wake(struct conn *c);
/* Send what there is, and see what is next. */
void conn_h2_work(struct conn *c);
/* The client ended its side, or failed (negative errno). */
void conn_h2_end(struct conn *c, int err);
void conn_h2_timeout(struct conn *c);
/* GOAWAY; requests of the next CONN_LAST_REQUEST_MS are served. */
void conn_h2_drain(struct conn *c);
/* End all exchanges. */
void conn_h2_abort(struct conn *c, enum termination end);
void conn_h2_free(struct conn *c);
