/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client of HTTP/2 for tests, by nghttp2 over a peer of the gateway's world, or frame by frame,
 * with whatever is wrong in them.
 */
#pragma once

#include <nghttp2/nghttp2.h>

#include "gateway_world.h"

#define H2_PEER_STREAMS 256

struct h2_answer {
	int status; /* 0: none yet */
	int interim;
	char head[2048]; /* "name: value\r\n" of the final head */
	size_t body;	 /* bytes */
	char text[512];	 /* the first of them */
	bool closed;
	uint32_t code; /* why, when closed */
	/* of the request's body: what is still to be sent */
	const char *data;
	size_t data_len;
	bool data_end;
	bool trailers; /* they end the stream, not the data */
};

struct h2_peer {
	struct peer p;
	nghttp2_session *ng; /* NULL: frames by hand */
	struct h2_answer answer[H2_PEER_STREAMS];
	/* what the gateway's frames said, also where nghttp2 does not read them */
	bool goaway;
	uint32_t goaway_code, goaway_last;
	uint32_t rst_id, rst_code;
	unsigned int rsts, acks;
	char frame[9]; /* the header that is being read */
	size_t frame_at, skip;
	char payload[64];
};

/* by_hand: the preface is sent, and empty SETTINGS. hold: windows open only by h2_peer_take. */
void h2_peer_open(struct h2_peer *c, struct world *w, bool by_hand, bool hold);
void h2_peer_close(struct h2_peer *c);

/* Names and values by turns, NULL behind. end: no body follows. Returns the stream. */
int32_t h2_peer_submit(struct h2_peer *c, const char *const *fields, bool end);
/* GET of that path at host "h". */
int32_t h2_peer_get(struct h2_peer *c, const char *path);
/* More of the body; data stays the caller's until it is sent. */
void h2_peer_data(struct h2_peer *c, int32_t id, const char *data, size_t len, bool end);
struct h2_answer *h2_peer_answer(struct h2_peer *c, int32_t id);
void h2_peer_take(struct h2_peer *c, int32_t id, size_t n);
/* Send what is queued, take what is there. */
bool h2_peer_run(struct h2_peer *c);
/* A frame by hand. */
void h2_peer_frame(struct h2_peer *c, uint8_t type, uint8_t flags, int32_t id, const void *payload,
		   size_t len);

#define H2_WAIT(c, cond) WORLD_WAIT((c)->p.w, (h2_peer_run(c), (cond)))
