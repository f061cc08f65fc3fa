/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A listener over its life: found by name in each revision, it keeps its socket unless the revision
 * brings another. Its timeouts and maxima are those of the newest revision, for all of its
 * connections. Counted: its connections may outlive it.
 */
#pragma once

#include "gateway_state.h"

/* Replaced as a whole when the listener gets another socket. */
struct listener_socket {
	struct watch watch;
	struct listener *listener;
	struct deferred more; /* the turn's share was used up */
	struct timer pause;   /* no descriptors left */
	uint32_t pause_ms;    /* the last one's; 0: the last attempt accepted */
	bool stopped;	      /* an error that does not pass: no longer watched */
};

struct listener {
	struct listener *next;
	struct gateway *gateway;
	uint32_t refs;
	char *name;
	struct conf_listener conf; /* values only: its pointers are NULL */
	uint32_t index;		   /* in the current snapshot; of a removed one, in last */
	uint32_t n_conns;
	uint32_t n_tunnels; /* of those: they never ask again, and need no `last` */
	bool removed;
	uint64_t proxy_logged_ns; /* the last connection refused for want of a header: 0 none */
	uint64_t tls_logged_ns;	  /* the same of handshakes */
	uint64_t tls_unlogged;
	uint64_t proxy_unlogged;	/* since then */
	struct snapshot *last;		/* removed: what its connections are still decided by */
	struct listener_socket *socket; /* NULL: does not accept */
};

/*
 * The listeners of a revision, prepared: everything that can fail is done, nothing is in force.
 * Afterwards listeners_commit or listeners_discard.
 */
struct listener_plan {
	size_t n;
	struct listener **listener;	 /* by index in conf; new or kept */
	struct listener_socket **socket; /* by index; NULL: keep */
	bool *fresh;			 /* by index: made by this plan */
};

int listeners_prepare(struct gateway *g, const struct gateway_revision *r,
		      struct listener_plan *ret, struct errmsg *err);
void listeners_commit(struct gateway *g, const struct conf *conf, struct listener_plan *plan);
void listeners_discard(struct gateway *g, struct listener_plan *plan);

void listener_unref(struct listener *l);
/* Its connections, or what they are, changed: let `last` go with the last one that may ask. */
void listener_settle(struct listener *l);
/* Stop to accept; the connections stay. */
void listener_close(struct listener *l);
