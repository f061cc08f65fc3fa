/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server's end of an HTTP/2 connection (RFC 9113), by nghttp2: bytes in, bytes out, and streams
 * with bounded buffers between. It knows neither sockets nor what a request is asked for.
 *
 * What a peer can pin: of bodies that nobody took, H2_SESSION_WINDOW bytes over all streams (the
 * window opens as they are taken); of responses that it does not take, H2_SESSION_OUT_MAX and
 * H2_STREAM_OUT_MIN for each stream; one head that is being read; H2_SESSION_STREAMS_MAX streams.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "glitch.h"
#include "head.h"

#define H2_SESSION_STREAMS_MAX 100
#define H2_SESSION_WINDOW      (256U << 10)
#define H2_SESSION_OUT_MAX     (256U << 10)
#define H2_STREAM_WINDOW       (128U << 10)
#define H2_STREAM_OUT_MAX      (64U << 10)
#define H2_STREAM_OUT_MIN      (8U << 10) /* of each, also when the session's share is used up */

#define H2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

struct nghttp2_session;
struct h2_session;

struct h2_stream {
	struct h2_session *session;
	struct h2_stream *next, **prev; /* of the session */
	struct h2_stream *next_woken;
	int32_t id;
	struct buf in;		 /* of the body, not taken yet */
	struct buf out;		 /* of the response's body, not sent yet */
	struct buf in_trailers;	 /* lines of HTTP/1.1; whole when in_ended */
	struct buf out_trailers; /* the same, to be sent behind `out` */
	size_t unreturned; /* bytes of the window that are the peer's again once they are taken */
	uint64_t sent_bytes;
	bool in_ended;	/* the body is whole */
	bool out_ended; /* so is the response */
	bool full;	/* on_writable is owed */
	bool woken;
	bool waiting;  /* nghttp2 has the head and waits for more of the body */
	bool answered; /* the final head was given */
	bool reset;    /* by us */
	void *owner;   /* NULL: nobody cares any more; what comes is thrown away */
};

/* The session's owner; none of them is called from inside a call on a stream. */
struct h2_events {
	/*
	 * A request: head and its texts are valid in this call, or err says how to refuse it. The
	 * callee sets s->owner, or the stream is reset.
	 */
	void (*on_request)(struct h2_stream *s, const struct http_head *head,
			   const struct h1_error *err, void *ctx);
	void (*on_data)(struct h2_stream *s, void *ctx);     /* s->in grew, or s->in_ended */
	void (*on_writable)(struct h2_stream *s, void *ctx); /* s->full was set, there is room */
	void (*on_lost)(struct h2_stream *s, void *ctx);     /* closed with its owner still set */
	void (*on_glitch)(uint32_t n, void *ctx);
};

struct h2_session {
	struct nghttp2_session *ng;
	const struct h2_events *events;
	void *ctx;
	struct http_head *scratch; /* the owner's; for the call of on_request */
	struct h2_stream *streams;
	struct h2_stream *woken; /* during a send: on_writable is due */
	uint32_t n_streams;
	struct h2_head head;	   /* of `heading` */
	struct h2_stream *heading; /* whose head is being read */
	bool in_head;		   /* a head, or trailers, are begun and not whole */
	size_t out_bytes;	   /* in the buffers of all streams */
	struct buf *to;		   /* during a send */
	struct h2_glitch glitch;
	uint32_t n_settings; /* the first belongs to the preface */
	uint64_t now_ns;
	bool ended; /* a last GOAWAY is queued or sent: nothing is read any more */
};

/* Could these be the first bytes of HTTP/2? 1 yes, 0 no, -EAGAIN: as far as they go. */
int h2_session_detect(const char *data, size_t len);

/* -ENOMEM. head: scratch of the owner. Our SETTINGS are queued. */
int h2_session_new(const struct h1_limits *limits, struct http_head *head,
		   const struct h2_events *events, void *ctx, uint64_t now_ns,
		   struct h2_session **ret);
/* Streams go with it, without a word to their owners. Not from inside an event. */
void h2_session_free(struct h2_session *s);

/* Bytes of the peer; all are taken. -EPROTO: the last GOAWAY is queued, to be sent before closing. */
int h2_session_recv(struct h2_session *s, const void *data, size_t len, uint64_t now_ns);
/* Queued frames into `to`, as far as there is room; tells streams that may go on. Negative errno. */
int h2_session_send(struct h2_session *s, struct buf *to);
/* There is something to send, flow control aside. */
bool h2_session_pending(const struct h2_session *s);
/* Nothing will be read or sent any more: close the connection. */
bool h2_session_over(const struct h2_session *s);
/* The peer may send no body now, for what it sent before is not taken. */
bool h2_session_holds(const struct h2_session *s);

/* Say that no stream should be opened any more, still serving those that are. */
void h2_session_warn(struct h2_session *s);
/* Take no stream from here on. */
void h2_session_refuse(struct h2_session *s);
/* The end: code of RFC 9113 s7. */
void h2_session_end(struct h2_session *s, uint32_t code);

/* Bytes of `in` were taken: opens the window. */
void h2_stream_taken(struct h2_stream *s);
/*
 * Queue a head, text as of HTTP/1.1, which is used up. last: what is behind it in text is the whole
 * body. Not last: a final head is followed by h2_stream_write and h2_stream_end. -EINVAL, -ENOMEM.
 */
int h2_stream_head(struct h2_stream *s, struct buf *text, bool interim, bool last);
/* How much of n bytes may be written; 0: full is set. */
size_t h2_stream_room(struct h2_stream *s, size_t n);
int h2_stream_write(struct h2_stream *s, struct str data);
/* Field lines of HTTP/1.1 that follow the body; before h2_stream_end. -ENOSPC. */
int h2_stream_trailers(struct h2_stream *s, struct str lines);
/* The response is whole. What is not read of the request never will be (RFC 9113 s8.1). */
void h2_stream_end(struct h2_stream *s);
void h2_stream_reset(struct h2_stream *s, uint32_t code);
/* The owner leaves; on_lost comes no more. */
void h2_stream_leave(struct h2_stream *s);
/* Has the peer left no window for it? Then it waits by the peer's will, not for the network. */
bool h2_stream_blocked(const struct h2_stream *s);

/* For session.c: nghttp2's side of streams. */
struct h2_stream *h2_stream_new(struct h2_session *session, int32_t id);
void h2_stream_free(struct h2_stream *s);
int h2_stream_take_data(struct h2_stream *s, struct str data);
void h2_stream_sent(struct h2_stream *s, size_t n);
