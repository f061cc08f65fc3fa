/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The guard of vips: the source is checked, since the backend answers it directly. */
#pragma once

#include "guard_load.h"

/*
 * The kernel's cookie of a connection that begins at 0: what comes back to a vip has no sequence
 * number that would tell where the client's began. False: none could be made.
 */
static __always_inline bool guard_cookie_make(struct pkt *p, struct guard_work *w, __u32 *ret)
{
	struct tcphdr tcp = { .source = p->flow.sport, .dest = p->flow.dport, .doff = 5, .syn = 1 };
	__s64 cookie;

	guard_ip_make(&p->facts, w, sizeof(tcp), false);
	if (p->flags & PKT_IPV6)
		cookie = bpf_tcp_raw_gen_syncookie_ipv6(&w->ip.v6, &tcp, sizeof(tcp));
	else
		cookie = bpf_tcp_raw_gen_syncookie_ipv4(&w->ip.v4, &tcp, sizeof(tcp));
	*ret = (__u32)cookie;
	return cookie >= 0;
}

static __always_inline bool guard_cookie_is_ours(struct pkt *p, struct guard_work *w, __u32 cookie)
{
	struct tcphdr tcp = { .source = p->flow.sport,
			      .dest = p->flow.dport,
			      .seq = bpf_htonl(1),
			      .ack_seq = bpf_htonl(cookie + 1),
			      .doff = 5,
			      .ack = 1 };

	guard_ip_make(&p->facts, w, sizeof(tcp), false);
	if (p->flags & PKT_IPV6)
		return bpf_tcp_raw_check_syncookie_ipv6(&w->ip.v6, &tcp) == 0;
	return bpf_tcp_raw_check_syncookie_ipv4(&w->ip.v4, &tcp) == 0;
}

/* A SYN for a vip. What cannot be answered is dropped: it would be the way around the guard. */
static __always_inline enum stage_result guard_vip_syn(struct pkt *p, const struct guard *g)
{
	__u32 cookie = 0, next;
	struct guard_work *w = guard_work_get();

	p->guard = GUARD_COUNT_REFUSED;
	if (!w || !guard_load_syn(p, &w->t) || !guard_cookie_make(p, w, &cookie))
		return drop(p, DROP_GUARD_SYN);
	next = bpf_ntohl(w->t.tcp.seq) + 1;
	/* The one acknowledgement in 2^32 that would be right; the cookie changes every minute. */
	if (g->reset == GUARD_CHALLENGE && cookie == next)
		return drop(p, DROP_GUARD_SYN);
	p->guard = GUARD_COUNT_CHALLENGE;
	/* No window: nobody shall send data to who has not decided to listen. */
	w->answer.seq = cookie;
	w->answer.ack = g->reset == GUARD_CHALLENGE ? cookie : next;
	return guard_reply(p, w);
}

/* What may be the answer to a check. Whatever it is, it goes on. */
static __always_inline enum stage_result guard_vip_answer(struct pkt *p, const struct guard *g)
{
	struct guard_work *w = guard_work_get();
	__u32 cookie;

	if (g->reset == GUARD_CHALLENGE ? !(p->flags & PKT_RST) : !!(p->flags & PKT_RST))
		return STAGE_NEXT;
	if (guard_is_proven(p) || !w || !guard_load(p, &w->t))
		return STAGE_NEXT;
	cookie = g->reset == GUARD_CHALLENGE ? bpf_ntohl(w->t.tcp.seq)
					     : bpf_ntohl(w->t.tcp.ack_seq) - 1;
	if (!guard_cookie_is_ours(p, w, cookie))
		return STAGE_NEXT;
	p->guard = GUARD_COUNT_CHALLENGE_OK;
	guard_prove(&p->facts);
	return STAGE_NEXT;
}
