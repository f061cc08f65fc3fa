/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * QUIC to a vip whose backends put a server id into their connection ids: the packet goes to that
 * backend, whatever address and port its client has now. Only what no version of QUIC changes is read
 * (RFC 8999): the form of the header, and where the destination's connection id is. So a client's first
 * packet, whose id the client made up, is told from others by its server id alone; it goes by the ring,
 * as all do whose id says nothing (draft-ietf-quic-load-balancers-19 s4.1, s4.2).
 */
#pragma once

#include "../lib/proto.h"
#include "../explain.h"
#include "../pipeline.h"
#include "quic_decrypt.h"
#include "sluice/abi/quic.h"

#define QUIC_LONG 0x80
/* Where the connection id begins, and in the long header its length before it. */
#define QUIC_SHORT_AT 1
#define QUIC_LONG_AT  6
/* Of a long header, the id's first octet included; the least of what follows a short one is as much. */
#define QUIC_HEAD_BYTES 7

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct quic);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} quic SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC); /* the agent alone adds to it */
	__type(key, struct quic_server);
	__type(value, __u32);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} quic_servers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct stats_quic);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} stats_quic SEC(".maps");

/*
 * What the connection id says, for the map, besides the vip_id; false if it names no server. Long
 * headers give the length, which has to be that of the configuration; of short ones the whole id has to
 * be there.
 */
static __always_inline bool quic_read(FRAME_CONTEXT *ctx, const struct pkt_facts *p,
				      struct quic_server *ret)
{
	__u32 at = p->header_bytes, end = p->l2_bytes + p->l3_bytes, id_bytes, cid_bytes, cid_at;
	__u32 nonce;
	__u8 head[QUIC_HEAD_BYTES + 1] = {};
	const struct quic *q = bpf_map_lookup_elem(&quic, &ret->vip_id);

	if (!q || at + QUIC_HEAD_BYTES > end || frame_load(ctx, at, head, QUIC_HEAD_BYTES))
		return false;
	cid_at = head[0] & QUIC_LONG ? QUIC_LONG_AT : QUIC_SHORT_AT;
	ret->config = (head[0] & QUIC_LONG ? head[QUIC_LONG_AT] : head[QUIC_SHORT_AT]) >> 5;
	id_bytes = q->server_id_bytes[ret->config & (QUIC_CONFIGS - 1)];
	nonce = q->nonce_bytes[ret->config & (QUIC_CONFIGS - 1)];
	cid_bytes = 1 + id_bytes + (nonce & ~(__u32)QUIC_ENCRYPTED);
	if (id_bytes == 0 || id_bytes > QUIC_SERVER_ID_MAX ||
	    ((head[0] & QUIC_LONG) && head[QUIC_LONG_AT - 1] != cid_bytes) ||
	    at + cid_at + cid_bytes > end)
		return false;
	if (nonce & QUIC_ENCRYPTED) {
		struct quic_cid cid = { .at = at + cid_at + 1,
					.body_bytes = cid_bytes - 1,
					.id_bytes = id_bytes,
					.key = quic_key_index(ret->vip_id, ret->config) };

		return !quic_decrypt(ctx, &cid, ret);
	}
	/* Once more for the verifier of 6.1, which learns nothing from "not 0": from 1 to 16. */
	id_bytes--;
	barrier_var(id_bytes);
	id_bytes = (id_bytes & QUIC_SERVER_ID_MAX) + 1;
	return !frame_load(ctx, at + cid_at + 1, ret->id, id_bytes);
}

static __always_inline void quic_count(__u64 *count, const struct pkt_facts *p,
				       enum explain_quic says)
{
	if (explaining)
		explain_quic(says);
	else
		*count += p->packets;
}

/* The backend that the packet's connection id names; 0: none. Checked by the verifier on its own. */
__noinline int quic_choose(FRAME_CONTEXT *ctx, struct pkt_facts *p)
{
	struct quic_server server = {};
	struct stats_quic *stats;
	const __u32 *id;

	if (!p) /* never; a global function's argument may be, for the verifier */
		return 0;
	server.vip_id = p->vip_id; /* a key has to be on the stack on 6.1 */
	stats = bpf_map_lookup_elem(&stats_quic, &server.vip_id);
	if (!stats)
		return 0;
	if (!quic_read(ctx, p, &server)) {
		quic_count(&stats->unroutable, p, EXPLAIN_QUIC_UNROUTABLE);
		return 0;
	}
	id = bpf_map_lookup_elem(&quic_servers, &server);
	if (!id) {
		quic_count(&stats->unknown, p, EXPLAIN_QUIC_UNKNOWN);
		return 0;
	}
	quic_count(&stats->routed, p, EXPLAIN_QUIC_ROUTED);
	return (int)*id;
}

/*
 * Leaves the backend's id, or 0, to stage_vip. A fragment's connection id may be elsewhere, and an ICMP
 * error quotes that of the client: both go by the ring.
 */
static __always_inline enum stage_result stage_quic(struct pkt *p)
{
	if (!p->vip || p->backend || !(p->vip->flags & VIP_QUIC) ||
	    (p->flags & (PKT_FRAGMENT | PKT_QUOTES)))
		return STAGE_NEXT;
	p->backend_id = (__u32)quic_choose(p->ctx, &p->facts);
	return STAGE_NEXT;
}
