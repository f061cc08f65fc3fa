/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Routers between here and a backend answer outer headers that do not fit ("fragmentation needed",
 * "packet too big"). What they say is kept for the agent, which lowers the backend's MTU (RFC 1191 s4,
 * RFC 8201 s4, RFC 2003 s5.1); the packet goes on to the host. Believed is who quotes a packet from
 * the source of our outer headers to a backend. It never raises an MTU (RFC 1191 s4), and 8 bytes that
 * are quoted behind the IP header say nothing that is not known: they are not looked at.
 */
#pragma once

#include "../lib/proto.h"
#include "../pipeline.h"
#include "sluice/abi/path_mtu.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct addr);
	__type(value, struct path_mtu);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} path_mtu SEC(".maps");

#define PATH_MTU_TOO_BIG_V4 0x0304 /* type and code */
#define PATH_MTU_TOO_BIG_V6 0x0200

static __always_inline bool path_mtu_is_same(const struct addr *a, const struct addr *b)
{
	return a->w[0] == b->w[0] && a->w[1] == b->w[1] && a->w[2] == b->w[2] && a->w[3] == b->w[3];
}

static __always_inline void path_mtu_note(const struct pkt_facts *p, const struct addr *from,
					  const struct addr *to, __u32 mtu)
{
	struct path_mtu *known = bpf_map_lookup_elem(&path_mtu, to);

	if (!known || !path_mtu_is_same(from, &known->source) ||
	    !path_mtu_is_same(from, &p->flow.dst))
		return;
	if (mtu < known->floor)
		mtu = known->floor;
	if (mtu > known->mtu)
		return;
	known->heard_ns = pkt_now_coarse(p);
	*(volatile __u32 *)&known->mtu = mtu;
}

static __always_inline void path_mtu_hear_v4(FRAME_CONTEXT *ctx, const struct pkt_facts *p,
					     __u32 at)
{
	struct {
		__be16 type;
		__be16 sum;
		__be16 unused;
		__be16 mtu;
		struct iphdr ip;
	} said;
	struct addr from, to;

	if (frame_load(ctx, at, &said, sizeof(said)) ||
	    said.type != bpf_htons(PATH_MTU_TOO_BIG_V4) || said.ip.version != 4)
		return;
	address_from_v4(&from, said.ip.saddr);
	address_from_v4(&to, said.ip.daddr);
	/* 0: a router that is older than RFC 1191, and says no number. */
	if (said.mtu)
		path_mtu_note(p, &from, &to, bpf_ntohs(said.mtu));
}

static __always_inline void path_mtu_hear_v6(FRAME_CONTEXT *ctx, const struct pkt_facts *p,
					     __u32 at)
{
	struct {
		__be16 type;
		__be16 sum;
		__be32 mtu;
		struct ipv6hdr ip;
	} said;
	struct addr from, to;

	if (frame_load(ctx, at, &said, sizeof(said)) ||
	    said.type != bpf_htons(PATH_MTU_TOO_BIG_V6) || said.ip.version != 6)
		return;
	address_from_v6(&from, &said.ip.saddr);
	address_from_v6(&to, &said.ip.daddr);
	path_mtu_note(p, &from, &to, bpf_ntohl(said.mtu));
}

static __always_inline bool path_mtu_may_hear(const struct pkt_facts *p)
{
	return vip_enabled && p->kind == LIMIT_KIND_ICMP;
}

/* Of ICMP that goes to the host. Checked by the verifier on its own. */
__noinline int path_mtu_hear(FRAME_CONTEXT *ctx, struct pkt_facts *p)
{
	__u32 at;

	if (!p || p->header_bytes < sizeof(struct icmphdr))
		return 0;
	at = p->header_bytes - sizeof(struct icmphdr);
	if (p->flags & PKT_IPV6)
		path_mtu_hear_v6(ctx, p, at);
	else
		path_mtu_hear_v4(ctx, p, at);
	return 0;
}
