/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client's connection: between requests, with one exchange, or on its way out. Requests are served
 * one after the other, so pipelined ones wait in stream.in.
 */
#pragma once

#include "http/h1/parse.h"
#include "listener.h"
#include "net/proxy_header.h"
#include "net/stream.h"

#define CONN_IN_MIN  (64U << 10)
#define CONN_OUT_MAX (64U << 10)
/* A body that nobody will read is read past up to here, to keep the connection. */
#define CONN_DISCARD_MAX (64U << 10)
/* Bytes a second that a client owes on the average: of a body, and in taking a response. */
#define CONN_BYTES_PER_S 512
/* How long a connection on which nothing is said is kept for a last request in a drain. */
#define CONN_LAST_REQUEST_MS 1000

struct tls_identity;

enum conn_state {
	CONN_HANDSHAKE,
	CONN_IDLE,     /* nothing of a request is there */
	CONN_HEAD,     /* part of a head is there */
	CONN_EXCHANGE, /* a request is being served */
	CONN_DISCARD,  /* it was answered; its body is read past */
	CONN_H2,       /* requests are served by conn_h2.c */
	CONN_CLOSING,  /* the last bytes are on their way */
	CONN_CLOSED,
};

struct conn {
	struct stream stream;
	struct gateway *gateway;
	struct listener *listener;
	struct conn *next, **prev; /* of the gateway */
	enum conn_state state;
	struct timer timer;	 /* of the state; in an exchange: the client's part of it */
	uint64_t timer_out_mark; /* stream.bytes_out when it was started */
	struct deferred work;	 /* the next request is in stream.in already */
	struct deferred release;
	size_t scanned; /* bytes of the head that were searched for its end */
	struct exchange *exchange;
	struct conn_h2 *h2; /* NULL: HTTP/1.1 */
	struct h1_body discard;
	size_t discard_left;
	bool tls;
	bool hurried;		 /* handshake: was silent when a drain began */
	bool tunnel;		 /* no request will come any more */
	bool served;		 /* a request; a client that was not is about to send one */
	bool from_proxy;	 /* the peer is a proxy that announces: no verdict is for it */
	bool announced;		 /* client is what it said, not the peer */
	const char *tls_version; /* NULL: clear text */
	struct tls_identity *identity; /* its certificate; NULL: none */
	struct addr client;	       /* who asks: in logs, fields, presence. Never for verdicts */
	struct addr local;	       /* what the client dialled, where has_local */
	uint16_t client_port;
	uint16_t local_port;
	bool has_local; /* its listener is at more than one place, or it was announced */
	struct presence_holds holds;
};

/* Take over an accepted descriptor, or close it when there are too many. */
void conn_accept(struct listener *l, int fd, const struct addr *peer, uint16_t port);

void conn_timer(struct conn *c, uint64_t after_ms);
/* What a client has to have moved after so long; at least a byte. */
static inline uint64_t conn_bytes_owed(uint64_t ms)
{
	uint64_t n = CONN_BYTES_PER_S * ms / 1000;

	return n ? n : 1;
}
/*
 * The exchange is over and its response is queued. keep: serve the next request on this connection;
 * body: the rest of the request body when it was not read to its end (NULL: it was).
 */
void conn_exchange_done(struct conn *c, bool keep, const struct h1_body *body);
/* Send what is queued and close in order. */
void conn_finish(struct conn *c);
/* Close now. reset: so that the peer cannot take what it got for the whole. */
void conn_close(struct conn *c, bool reset);
/*
 * Bytes of the wire that the client's host has acknowledged. What we put into the socket tells
 * little: the kernel takes hundreds of KiB at once, and then nothing for as long as they last.
 */
uint64_t conn_bytes_taken(const struct conn *c);
/* It still takes what is queued for it, enough not to be idle since conn_timer. */
bool conn_still_sending(const struct conn *c);
/* It became a tunnel: nothing of it is decided by a snapshot any more. */
void conn_asks_no_more(struct conn *c);
/* New responses are to say Connection: close. */
bool conn_closes_soon(const struct conn *c);

/* Its consumers were served at the client's address, and at the peer's. */
void conn_stamp(struct conn *c, uint32_t now_s);

/* Whose it is, as it is announced to endpoints; the version is the caller's. */
void conn_announce(const struct conn *c, struct proxy_header *ret);

/* Close connections between two requests; of this listener, NULL: all. */
void conn_close_idle(struct gateway *g, const struct listener *l);
/* Close those that have been idle for longer than their time, halved so often; how many. */
uint32_t conn_close_idle_longer(struct gateway *g, uint32_t halved);
/* Close all, whatever they are in the midst of; how many were not closing yet. */
uint32_t conn_cut_all(struct gateway *g);
/* Close and free at once; outside of all handlers. */
void conn_free_all(struct gateway *g);
