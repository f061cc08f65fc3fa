/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client's side of an exchange: where its request comes from and its response goes, a whole
 * connection (HTTP/1.1, client_h1.c) or a stream of one (HTTP/2, client_h2.c). Who the client is,
 * its address, listener and TLS, is the connection's either way.
 *
 * Valid until the exchange has ended; no call comes back into the exchange before it returns.
 */
#pragma once

#include "base/buf.h"
#include "event/loop.h"
#include "policy/termination.h"

struct exchange;
struct h1_body;
struct h2_stream;

/* What exchange_write_client is given: heads are text as of HTTP/1.1, whatever the client speaks. */
enum client_piece {
	CLIENT_INTERIM, /* a 1xx head */
	CLIENT_HEAD,	/* the final head; a body follows */
	CLIENT_WHOLE,	/* the final head, what there is of a body behind it, and nothing more */
};

/* How far it had come with taking a response, to be compared later. */
struct client_mark {
	uint64_t taken_bytes;
	uint64_t conn_bytes; /* the same of a connection that streams share */
};

struct client_ops {
	/*
	 * All of it or nothing; the text is used up. -ENOSPC, with *full set where it will ever
	 * fit; -EPIPE: the client is failing.
	 */
	int (*write)(struct exchange *x, struct buf *b, enum client_piece piece);
	/* How much of n bytes of a response's body may be given now; 0: *full is set. */
	size_t (*room)(struct exchange *x, size_t n);
	/* A piece of the body, not more than there is room for. -EPIPE: the client is failing. */
	int (*data)(struct exchange *x, struct str data);
	/* The body is whole: what its framing needs to say so. -ENOSPC: *full is set. */
	int (*end)(struct exchange *x);
	/* Bytes were taken from `in`. */
	void (*resume)(struct exchange *x);
	/*
	 * The exchange is over and its response is queued. keep: another may follow; body: the
	 * rest of the request body when it was not read to its end (NULL: it was).
	 */
	void (*done)(struct exchange *x, bool keep, const struct h1_body *body);
	/* The exchange will be over without a whole response: `done` follows, with !keep. */
	void (*cut)(struct exchange *x, enum termination end);
	/* Bytes that its host has taken since then; a client that cannot be judged now owes none. */
	void (*mark)(const struct exchange *x, struct client_mark *ret);
	uint64_t (*taken)(const struct exchange *x, const struct client_mark *since);
	/* Is it kept from sending its body for others' sake? */
	bool (*holds)(const struct exchange *x);
	/* Would the connection serve no other request after this one? */
	bool (*closes_soon)(const struct exchange *x);
};

struct client {
	const struct client_ops *ops;
	struct buf *in;		  /* the request's body, in its framing, as far as it is there */
	const bool *ended;	  /* no more comes into `in` */
	bool *full;		  /* set: exchange_client_writable is owed */
	struct timer *timer;	  /* of the client's part; exchange_client_slow */
	struct timer own_timer;	  /* HTTP/2: no connection's timer is for one exchange */
	struct h2_stream *stream; /* NULL: HTTP/1.1 */
};

/* HTTP/1.1: the exchange has its connection for itself. */
void client_h1_init(struct exchange *x);
/* HTTP/2: it has this stream, and becomes its owner. */
void client_h2_init(struct exchange *x, struct h2_stream *s);
