/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the guard reads: whether a source is proven, and the TCP header of what came. */
#pragma once

#include "../client.h"
#include "guard_reply.h"

static __always_inline bool guard_is_proven(const struct pkt *p)
{
	struct client_key key = { .limit_class = LIMIT_CLASS_NONE };

	client_unit(&p->facts, &key.source);
	return bpf_map_lookup_elem(&clients, &key) != NULL;
}

/* A global function: its record and key are no part of the stack of who calls it. */
__noinline int guard_prove(struct pkt_facts *p)
{
	struct client_key key = { .limit_class = LIMIT_CLASS_NONE };
	struct client c = { .proof = CLIENT_PROVEN_COOKIE };

	if (!p ||
	    explaining) /* NULL never; a global function's argument may be, for the verifier */
		return 0;
	client_unit(p, &key.source);
	c.proven_ns = pkt_now(p);
	bpf_map_update_elem(&clients, &key, &c, BPF_NOEXIST);
	return 0;
}

/*
 * Read the TCP header, of which there are `bytes`: whether it is there, alone behind an IP header
 * without options.
 */
static __always_inline bool guard_load(const struct pkt *p, struct tcp_options *t)
{
	__u32 l2 = p->l2_bytes, l4 = l2 + (p->flags & PKT_IPV6 ? 40 : 20);
	__u32 bytes = p->header_bytes - l4;
	__u8 ip[8];

	if (p->flags & PKT_FRAGMENT)
		return false;
	if (frame_load(p->ctx, l2, ip, sizeof(ip)))
		return false;
	if (p->flags & PKT_IPV6 ? ip[6] != PROTO_TCP : ip[0] != 0x45)
		return false;
	if (bytes < sizeof(struct tcphdr) || bytes > TCP_HEADER_MAX)
		return false;
	t->bytes = bytes;
	return frame_load(p->ctx, l4, t->byte, guard_bound(bytes)) == 0;
}

/* Can this SYN be answered? Not with data: the answer has the length of what it answers. */
static __always_inline bool guard_load_syn(const struct pkt *p, struct tcp_options *t)
{
	return p->l2_bytes + p->l3_bytes == p->header_bytes && guard_load(p, t) &&
	       (t->byte[TCP_FLAG_BYTE] & (TCP_FIN_FLAG | TCP_SYN | TCP_RST_FLAG | TCP_ACK)) ==
		       TCP_SYN;
}
