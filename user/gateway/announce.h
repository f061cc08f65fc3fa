/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The PROXY protocol on connections that come in: who is asked for a header, and whose address the
 * connection's is afterwards. Nothing is taken from the socket but the header.
 */
#pragma once

#include "conn.h"

enum announce_verdict {
	ANNOUNCE_NONE,	/* it is what it is: no header is looked for */
	ANNOUNCE_AWAIT, /* a trusted proxy's: announce_await */
	ANNOUNCE_REFUSE,
};

/* By the peer, in the current snapshot; sets c->from_proxy. */
enum announce_verdict announce_judge(struct conn *c, const struct addr *peer);
/*
 * Put the wait for a header below a stream that was just accepted; tls (NULL: clear text) goes below
 * it once the header is there. c->client is the announced address from then on. -ENOMEM.
 */
int announce_await(struct conn *c, struct tls_context *tls);
/* Is a header still waited for? */
bool announce_waits(const struct conn *c);
/* Count a connection that is closed for want of a header, and say so once in a while. */
void announce_refused(struct listener *l, const struct addr *peer, const char *why);
