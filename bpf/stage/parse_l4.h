/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The parser's transport half: TCP, UDP, ICMP, and the packet that an ICMP error quotes. */
#pragma once

#include "parse.h"

/*
 * The ports of the packet that an ICMP error quotes, of which only 8 bytes must be there (RFC 792).
 * The quoted packet was on its way from here, so its source is our flow's destination; an error
 * that quotes anything else is none of a vip's and goes to the host like other ICMP.
 */
static __always_inline void parse_quoted_ports(struct pkt *p, struct cursor *c,
					       const struct addr *from, const struct addr *to,
					       __u8 proto)
{
	const __be16 *ports = NULL;
	__u32 i;

	if (proto != PROTO_TCP && proto != PROTO_UDP)
		return;
	for (i = 0; i < 4; i++) {
		if (from->w[i] != p->flow.dst.w[i])
			return;
	}
	if (!(p->flags & PKT_FRAGMENT)) {
		ports = cursor_take(c, 8);
		if (!ports)
			return;
		p->flow.dport = ports[0];
		p->flow.sport = ports[1];
	}
	p->flow.src = *to;
	p->flow.proto = proto;
	p->flags |= PKT_QUOTES;
}

static __always_inline void parse_quoted_v4(struct pkt *p, struct cursor *c)
{
	const struct iphdr *ip = cursor_take(c, sizeof(*ip));
	struct addr from, to;
	__u32 header_bytes;

	if (!ip || ip->version != 4)
		return;
	header_bytes = ip->ihl * 4;
	/* clang 19 compares shifted bits instead, from which the verifier of 6.1 learns no bound. */
	barrier_var(header_bytes);
	if (header_bytes < sizeof(*ip))
		return;
	if (!cursor_skip(c, header_bytes - sizeof(*ip)))
		return;
	address_from_v4(&from, ip->saddr);
	address_from_v4(&to, ip->daddr);
	if (bpf_ntohs(ip->frag_off) & (IPV4_FRAG_OFFSET | IPV4_FRAG_MORE))
		p->flags |= PKT_FRAGMENT;
	parse_quoted_ports(p, c, &from, &to, ip->protocol);
}

static __always_inline void parse_quoted_v6(struct pkt *p, struct cursor *c)
{
	const struct ipv6hdr *ip = cursor_take(c, sizeof(*ip));
	const struct frag_hdr *frag;
	struct addr from, to;
	__u8 proto;

	if (!ip || ip->version != 6)
		return;
	address_from_v6(&from, &ip->saddr);
	address_from_v6(&to, &ip->daddr);
	proto = ip->nexthdr;
	if (proto == PROTO_FRAGMENT) {
		frag = cursor_take(c, sizeof(*frag));
		if (!frag)
			return;
		proto = frag->nexthdr;
		if (frag->frag_off & bpf_htons(IPV6_FRAG_OFFSET | IPV6_FRAG_MORE))
			p->flags |= PKT_FRAGMENT;
	}
	parse_quoted_ports(p, c, &from, &to, proto);
}

static __always_inline enum stage_result parse_tcp(struct pkt *p, struct cursor *c)
{
	const struct tcphdr *tcp = cursor_take(c, sizeof(*tcp));
	__u8 flags;

	/* A first fragment must hold all of the fixed header (RFC 1858): no flags, no filter. */
	if (!tcp)
		return parse_short(p, c, sizeof(*tcp));
	if (tcp->doff < 5 || !cursor_skip(c, tcp->doff * 4 - sizeof(*tcp)))
		return drop(p, DROP_MALFORMED);
	flags = ((const __u8 *)tcp)[TCP_FLAG_BYTE];
	if ((flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
		p->flags |= PKT_SYN;
	p->flags |= (flags & TCP_RST_FLAG) * (PKT_RST / TCP_RST_FLAG) |
		    (flags & TCP_ACK) * (PKT_ACK / TCP_ACK);
	p->flow.sport = tcp->source;
	p->flow.dport = tcp->dest;
	return STAGE_NEXT;
}

static __always_inline enum stage_result parse_udp(struct pkt *p, struct cursor *c)
{
	const struct udphdr *udp = cursor_take(c, sizeof(*udp));

	if (!udp)
		return parse_short(p, c, sizeof(*udp));
	/* Merged datagrams have one length for all; the rest is the receiver's to check. */
	if (bpf_ntohs(udp->len) < sizeof(*udp) && !p->segment_bytes)
		return drop(p, DROP_MALFORMED);
	p->flow.sport = udp->source;
	p->flow.dport = udp->dest;
	return STAGE_NEXT;
}

static __always_inline enum stage_result parse_icmp(struct pkt *p, struct cursor *c)
{
	const struct icmphdr *icmp = cursor_take(c, sizeof(*icmp));
	struct cursor quoted = *c; /* what an error quotes is payload, not header */

	if (!icmp)
		return parse_short(p, c, sizeof(*icmp));
	if (icmp->type == (p->flags & PKT_IPV6 ? ICMPV6_ECHO : ICMP_ECHO) && icmp->code == 0)
		p->flags |= PKT_ECHO;
	/* Of a fragment, the quoted packet may be anywhere: leave it to the host. */
	if (p->flags & PKT_FRAGMENT)
		return STAGE_NEXT;
	if (!(p->flags & PKT_IPV6) && icmp_quotes(icmp->type))
		parse_quoted_v4(p, &quoted);
	else if ((p->flags & PKT_IPV6) && icmpv6_quotes(icmp->type))
		parse_quoted_v6(p, &quoted);
	return STAGE_NEXT;
}

/* Transport, for packets and first fragments. */
static __always_inline enum stage_result parse_l4(struct pkt *p, struct cursor *c)
{
	if (p->proto == PROTO_TCP)
		return parse_tcp(p, c);
	if (p->proto == PROTO_UDP)
		return parse_udp(p, c);
	if (p->kind == LIMIT_KIND_NONE)
		p->kind = p->proto == parse_icmp_proto(p) ? LIMIT_KIND_ICMP : LIMIT_KIND_OTHER_L4;
	if (p->proto == parse_icmp_proto(p))
		return parse_icmp(p, c);
	return unknown_l4_drop ? drop(p, DROP_UNKNOWN_L4) : STAGE_NEXT;
}
