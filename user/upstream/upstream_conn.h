/* SPDX-License-Identifier: BSD-2-Clause */
/* One connection to an endpoint: connecting, lent to an exchange, or idle in its pool. */
#pragma once

#include <errno.h>

#include "net/proxy_header.h"
#include "net/stream.h"
#include "pool.h"

#define UPSTREAM_IN_MAX	 (64U << 10)
#define UPSTREAM_OUT_MAX (64U << 10)

struct upstream_conn;

/* The borrower's callbacks; those of stream.h, and none from inside a call. */
struct upstream_events {
	void (*on_open)(struct upstream_conn *c);
	void (*on_readable)(struct upstream_conn *c);
	void (*on_writable)(struct upstream_conn *c);
	/* err: 0 ended in order; before on_open: why the connect failed (-ETIMEDOUT: ours) */
	void (*on_end)(struct upstream_conn *c, int err);
};

struct upstream_conn {
	struct stream stream;
	struct pool *pool;
	const struct upstream_events *events; /* NULL: idle, or closing by itself */
	void *owner;
	struct proxy_header *announced; /* whose it is, as the endpoint was told; NULL: nobody's */
	struct timer timer;		/* to connect, or idle */
	struct deferred release;
	struct upstream_conn *next, **prev;	    /* idle list */
	struct upstream_conn *all_next, **all_prev; /* of struct upstream */
	uint64_t lent_in; /* stream.bytes_in when it was lent: more means a response began */
	uint64_t lent_out;
	struct upstream_tls *tls; /* counted; how it was made, NULL: clear text */
	char *name;		  /* of the server, where requests bring it */
	bool connected;
	bool reused;
	bool closed;
};

/* Why on_end came before on_open, where it was not connect(2) that failed. */
#define UPSTREAM_ERR_TLS	 (-EPROTO)
#define UPSTREAM_ERR_CERTIFICATE (-EKEYREJECTED)

/*
 * Borrow a connection: an idle one that is not stale (reused is set, it may be written to), or a new
 * one (on_open comes, or on_end). fresh: not an idle one.
 * 0, -ENOBUFS: at max_connections, or the errno of connect(2).
 */
int upstream_conn_get(struct pool *p, bool fresh, const struct upstream_events *events, void *owner,
		      struct upstream_conn **ret);

/* Whom a connection serves, where it serves nobody else: an idle one of his, or a new one. */
struct upstream_whose {
	/* Announced to the endpoint by a header of the PROXY protocol; copied; NULL: no header. */
	const struct proxy_header *client;
	/* The request's, without a port, for clusters whose tls takes the server's name from it;
	 * NULL or empty: there is none. */
	const char *host;
};
int upstream_conn_get_for(struct pool *p, const struct upstream_whose *whose, bool fresh,
			  const struct upstream_events *events, void *owner,
			  struct upstream_conn **ret);
/* Give it back after a whole response; it is closed if anything speaks against another one. */
void upstream_conn_put(struct upstream_conn *c);
void upstream_conn_close(struct upstream_conn *c);
/* Close, and free at once: no handler of this turn may be in it. */
void upstream_conn_free(struct upstream_conn *c);
/* Send what is queued, then close; the borrower is not told. */
void upstream_conn_finish(struct upstream_conn *c);

static inline bool upstream_conn_answered(const struct upstream_conn *c)
{
	return c->stream.bytes_in != c->lent_in;
}

/*
 * After the stream failed: what the endpoint sent before it reset us is still in the socket (it
 * answered early and closed). Moves what fits into stream.in; true when it was anything.
 */
bool upstream_conn_salvage(struct upstream_conn *c);
