/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One request and its response. It pins the snapshot that decides it, borrows a connection to an
 * endpoint, and relays bodies both ways at the pace of the slower side. The request's head is
 * written for the endpoint once, when it is read: what a retry needs is those bytes.
 */
#pragma once

#include "client.h"
#include "conn.h"
#include "policy/policy.h"
#include "snapshot.h"
#include "upstream/upstream_conn.h"

#define EXCHANGE_TRIES_MAX 3 /* connections asked because another failed */
#define EXCHANGE_PIECE_MIN \
	1024 /* do not cut bodies into smaller pieces than this for want of room */
#define EXCHANGE_ID_LEN		   36
#define EXCHANGE_RESPONSE_HEAD_MAX (32U << 10)

/* What a head gains at most on its way to the endpoint: our fields, and ": " made regular. */
#define EXCHANGE_HEAD_ADDED (16U << 10)

enum exchange_state {
	EXCHANGE_NEW,	     /* nothing decided */
	EXCHANGE_CONNECTING, /* an endpoint is being connected to */
	EXCHANGE_ASKED,	     /* the head is sent; waiting for the response's */
	EXCHANGE_ANSWERING,  /* the response's head is sent to the client */
	EXCHANGE_TUNNEL,
	EXCHANGE_ENDED,
};

/* How fast a client is, over a period of body_timeout in which it was waited for. */
struct exchange_pace {
	uint64_t waited_ns;	 /* of the period, up to since_ns */
	uint64_t since_ns;	 /* waits: from here on */
	uint64_t in_mark;	 /* bytes_in when the period began */
	struct client_mark mark; /* when it was first full of response */
	bool taken_known;
	bool begun;
	bool waits; /* the client is waited for now */
};

/* What the snapshot says of an exchange after it was decided, for timers, counters and the log. */
struct exchange_facts {
	const char *route, *cluster, *consumer; /* names; NULL: none */
	uint32_t route_stat_id;
	uint64_t response_timeout_ms; /* of the cluster */
	uint64_t tunnel_timeout_ms;
	bool logged;
};

struct exchange {
	struct exchange *next; /* of those that ended in this turn */
	struct gateway *gateway;
	struct conn *conn; /* whose client it is */
	struct client client;
	struct snapshot
		*snapshot; /* pinned; NULL: it was let go, as are route, consumer, nearest */
	struct exchange_facts *kept; /* then */
	const struct route *route;   /* NULL: none yet */
	const struct policy_consumer *consumer;
	enum exchange_state state;
	struct upstream_conn *up;  /* NULL: none */
	struct pool *pool;	   /* asked last; NULL: none. Held by the snapshot, or by up */
	struct timer timer;	   /* the endpoint's part */
	enum exchange_state timed; /* what timer runs for; EXCHANGE_NEW: nothing */
	uint64_t timed_progress;   /* what was moved when it was started */
	uint64_t try_due_ns;	   /* loop time; 0: the attempt has no time of its own */
	struct timer deadline;	   /* the route's */
	struct exchange_pace pace; /* of the client: its timer */
	struct buf head;	   /* for the endpoint, kept while it may be sent again */
	size_t response_scanned;
	struct h1_body request_body;
	struct h1_body response_body;
	struct buf request_trailers; /* as they came: trailer.h */
	struct buf response_trailers;
	/* request */
	enum http_method method;
	uint8_t minor;
	bool keep_alive;
	bool expect;	     /* the client waits for 100 before it sends the body */
	bool upgrade;	     /* to a websocket */
	bool trailers;	     /* the client takes them */
	bool chunk_request;  /* the body goes on in chunks */
	bool request_done;   /* its body was read to its end */
	bool request_broken; /* it never will be */
	bool body_sent;	     /* some of it: the request cannot be sent again */
	/* response */
	bool chunk_response;
	bool up_closes;	  /* the endpoint will not take another request */
	bool until_close; /* its end is the connection's (HTTP/1.0 clients) */
	bool retried_stale;
	uint8_t tries;
	uint8_t interim; /* 1xx responses relayed */
	/* facts */
	const struct conf_plan_limit *nearest;
	uint64_t nearest_remaining;
	uint64_t nearest_reset_s;
	char *text; /* what the next three point into */
	struct str method_text;
	struct str path;
	struct str host;
	char id[EXCHANGE_ID_LEN + 1];
	uint16_t status;
	enum termination end;
	uint64_t body_bytes;
	uint64_t bytes_in;
	uint64_t bytes_out;
	uint64_t begin_ns;
	uint64_t asked_ns;    /* 0: no endpoint was */
	uint64_t answered_ns; /* 0: none did */
};

/* NULL: no memory. The client's side is the caller's to fill in. */
struct exchange *exchange_new(struct conn *c);
/* The head for the endpoint is in x->head: choose one and ask it. */
void exchange_start(struct exchange *x);
/* Texts as long as x is pinned or kept. */
void exchange_facts(const struct exchange *x, struct exchange_facts *ret);
/* Nothing is decided any more: unpin the snapshot, or go on with it where there is no memory. */
void exchange_let_go(struct exchange *x);
/* The response is queued to its last byte. */
void exchange_finish(struct exchange *x);
/*
 * Over without a (whole) response: log, give everything back, close the client's connection. What
 * was queued for it is still sent, unless the cut would look like an end.
 */
void exchange_abort(struct exchange *x, enum termination end);
/* Over: give everything back. keep and body: see client_ops.done. */
void exchange_end(struct exchange *x, bool keep, const struct h1_body *body);
/* The endpoint failed before a response: ask again where that is safe, answer the client else. */
void exchange_upstream_lost(struct exchange *x, int err);
/* The attempt's time is over: as if the endpoint had failed. */
void exchange_try_late(struct exchange *x);
/* Answer with a problem if nothing was answered yet, abort else. */
void exchange_fail(struct exchange *x, enum termination end, unsigned int status,
		   const char *detail);
/* After progress or a change of what is waited for: who has how long from here? (deadline.c) */
void exchange_rearm(struct exchange *x);
/* The route's time for all of it begins, that of an attempt (deadline.c). */
void exchange_begin_total(struct exchange *x);
void exchange_begin_try(struct exchange *x);
bool exchange_try_over(const struct exchange *x);
/* Queue for the client, counted. Negative errno of client_ops.write. */
int exchange_write_client(struct exchange *x, struct buf *b, enum client_piece piece);

void exchange_client_readable(struct exchange *x);
void exchange_client_writable(struct exchange *x);
void exchange_client_end(struct exchange *x, int err);
void exchange_client_slow(struct exchange *x); /* client.timer */

void exchange_reap(struct deferred *d); /* of the gateway */

static inline bool exchange_answered(const struct exchange *x)
{
	return x->state >= EXCHANGE_ANSWERING;
}
