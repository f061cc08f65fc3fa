/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one parser: link header, two VLAN tags, IPv4 with options, IPv6 with extension headers,
 * fragments, TCP, UDP, ICMP and the packet that an ICMP error quotes. It calls no helper, so it
 * also compiles for the host (selftests/fuzz/fuzz_packet.c).
 *
 * Whatever it understands up to L3 has its source set and meets acl, verdict and limit. What is not
 * IP goes to the host. IP that is truncated or contradicts itself is dropped.
 */
#pragma once

#include "../lib/address.h"
#include "parse_l2.h"

#define PARSE_EXT_MAX 8
/* An extension header has 8 to 2,048 bytes (RFC 8200 s4.2). */
#define PARSE_EXT_MIN	    8
#define PARSE_EXT_BYTES_MAX 2048

/*
 * The value, as one of which the verifier knows nothing: else it follows every mixture of extension
 * headers separately. What is mixed in is zero: no frame has 2 GiB.
 */
static __always_inline __u32 parse_forget(const struct pkt *p, __u32 value)
{
	return value ^ -(p->frame_bytes >> 31);
}

/* ICMP belongs to its own IP version; the other one's is a stranger. */
static __always_inline __u32 parse_icmp_proto(const struct pkt *p)
{
	return p->flags & PKT_IPV6 ? PROTO_ICMPV6 : PROTO_ICMP;
}

/* Transport, for packets and first fragments: parse_l4.h. */
static enum stage_result parse_l4(struct pkt *p, struct cursor *c);

/* Later fragments have no transport header, and must not rewrite the first one's (RFC 3128). */
static __always_inline enum stage_result parse_later(struct pkt *p, __u32 offset_8_bytes)
{
	if (p->proto == PROTO_TCP && offset_8_bytes == 1)
		return drop(p, DROP_MALFORMED);
	if (p->proto == PROTO_TCP || p->proto == PROTO_UDP || p->proto == parse_icmp_proto(p))
		return STAGE_NEXT;
	return unknown_l4_drop ? drop(p, DROP_UNKNOWN_L4) : STAGE_NEXT;
}

static __always_inline void parse_mark_fragment(struct pkt *p)
{
	p->flags |= PKT_FRAGMENT;
	p->kind = LIMIT_KIND_FRAGMENT;
}

static __always_inline enum stage_result parse_ipv4(struct pkt *p, struct cursor *c)
{
	__u32 frame_left = c->left;
	const struct iphdr *ip = cursor_take(c, sizeof(*ip));
	__u32 frag, header_bytes;

	if (!ip)
		return parse_short(p, c, sizeof(*ip));
	p->l3_bytes = bpf_ntohs(ip->tot_len);
	if (p->l3_bytes == 0 && p->segment_bytes) /* merged past 64 KiB (BIG TCP) */
		p->l3_bytes = frame_left;
	header_bytes = ip->ihl * 4;
	if (ip->version != 4 || header_bytes < sizeof(*ip) || p->l3_bytes < header_bytes ||
	    p->l3_bytes > frame_left)
		return drop(p, DROP_MALFORMED);
	/* Padding of the frame is not packet. */
	c->left = p->l3_bytes - sizeof(*ip);
	if (!cursor_skip(c, header_bytes - sizeof(*ip)))
		return drop(p, DROP_MALFORMED);

	address_from_v4(&p->flow.src, ip->saddr);
	address_from_v4(&p->flow.dst, ip->daddr);
	p->source = p->flow.src;
	p->proto = ip->protocol;
	p->flow.proto = ip->protocol;
	frag = bpf_ntohs(ip->frag_off);
	if (frag & (IPV4_FRAG_OFFSET | IPV4_FRAG_MORE))
		parse_mark_fragment(p);
	if (frag & IPV4_FRAG_OFFSET)
		return parse_later(p, frag & IPV4_FRAG_OFFSET);
	return parse_l4(p, c);
}

static __always_inline bool parse_is_ext(__u32 proto)
{
	return proto == PROTO_HOP_OPTIONS || proto == PROTO_ROUTING || proto == PROTO_FRAGMENT ||
	       proto == PROTO_AUTH || proto == PROTO_DEST_OPTIONS || proto == PROTO_MOBILITY ||
	       proto == PROTO_HIP || proto == PROTO_SHIM6;
}

/* How long an extension header is; 8 or more, and what the verifier forgets. */
static __always_inline __u32 parse_ext_bytes(const struct pkt *p, const __u8 *ext)
{
	if (p->proto == PROTO_FRAGMENT)
		return sizeof(struct frag_hdr);
	return p->proto == PROTO_AUTH ? (ext[1] + 2) * 4 : (ext[1] + 1) * 8;
}

/*
 * Follow the extension headers to the transport: p->proto, and *frag, the bits of a fragment header.
 * In a later fragment, that header is the last one that can be read.
 */
static __always_inline enum stage_result parse_ext(struct pkt *p, struct cursor *c, __u32 *frag)
{
	const __u8 *ext;
	__u32 i, bytes;

	/* Unrolled: until 6.6 the verifier takes no loop that is entered by falling through. */
#pragma unroll
	for (i = 0; i < PARSE_EXT_MAX; i++) {
		if (!parse_is_ext(p->proto) || (*frag & IPV6_FRAG_OFFSET))
			return STAGE_NEXT;
		ext = cursor_take(c, PARSE_EXT_MIN);
		if (!ext)
			return parse_short(p, c, PARSE_EXT_MIN);
		/* Later fragments cannot tell what follows more headers: none of them is balanced. */
		if (*frag)
			p->flags |= PKT_VIPLESS;
		/* Once a fragment, always one: a second header that says no does not make it whole. */
		if (p->proto == PROTO_FRAGMENT)
			*frag |= bpf_ntohs(((const struct frag_hdr *)ext)->frag_off) &
				 (IPV6_FRAG_OFFSET | IPV6_FRAG_MORE);
		bytes = parse_forget(p, parse_ext_bytes(p, ext));
		*frag = parse_forget(p, *frag) & (IPV6_FRAG_OFFSET | IPV6_FRAG_MORE);
		p->flags = parse_forget(p, p->flags);
		p->proto = ext[0];
		if (bytes < PARSE_EXT_MIN || bytes > PARSE_EXT_BYTES_MAX)
			return drop(p, DROP_MALFORMED);
		if (!cursor_skip(c, bytes - PARSE_EXT_MIN))
			return drop(p, DROP_MALFORMED);
	}
	if (parse_is_ext(p->proto) && !(*frag & IPV6_FRAG_OFFSET))
		return drop(p, DROP_EXT_HEADERS);
	return STAGE_NEXT;
}

/*
 * Discovery keeps the link alive and cannot come from beyond it: routers lower the hop limit, and
 * receivers insist on 255 (RFC 4861 s6.1, s7.1). It passes every policy, as ARP does.
 */
static __always_inline bool parse_discovery(const struct ipv6hdr *ip, struct cursor c)
{
	const struct icmphdr *icmp;

	if (ip->nexthdr != PROTO_ICMPV6 || ip->hop_limit != 255)
		return false;
	icmp = cursor_take(&c, sizeof(*icmp));
	return icmp && icmpv6_is_discovery(icmp->type);
}

static __always_inline enum stage_result parse_ipv6(struct pkt *p, struct cursor *c)
{
	__u32 frame_left = c->left;
	const struct ipv6hdr *ip = cursor_take(c, sizeof(*ip));
	enum stage_result result;
	__u32 frag = 0;

	if (!ip)
		return parse_short(p, c, sizeof(*ip));
	p->flags |= PKT_IPV6;
	p->l3_bytes = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	if (ip->payload_len == 0 && p->segment_bytes) /* merged past 64 KiB (BIG TCP) */
		p->l3_bytes = frame_left;
	if (ip->version != 6 || p->l3_bytes > frame_left)
		return drop(p, DROP_MALFORMED);
	c->left = p->l3_bytes - sizeof(*ip);

	address_from_v6(&p->flow.src, &ip->saddr);
	address_from_v6(&p->flow.dst, &ip->daddr);
	/* On the wire, a mapped address is somebody who wants to be taken for an IPv4 source. */
	if (address_is_mapped(&p->flow.src) || address_is_mapped(&p->flow.dst))
		return drop(p, DROP_MALFORMED);
	p->source = p->flow.src;
	if (parse_discovery(ip, *c))
		return STAGE_PASS;
	p->proto = ip->nexthdr;
	result = parse_ext(p, c, &frag);
	if (result != STAGE_NEXT)
		return result;
	p->flow.proto = p->proto;
	if (frag)
		parse_mark_fragment(p);
	if (frag & IPV6_FRAG_OFFSET)
		return parse_later(p, frag >> 3);
	return parse_l4(p, c);
}

/*
 * What was merged counts as the packets it was made of, with the headers of each. How many is not
 * said of what a guest merged (virtio leaves gso_segs to a check that is still to come).
 */
static __always_inline void parse_merged(struct pkt *p, __u32 header_bytes)
{
	if (p->packets == 1 && p->segment_bytes && p->frame_bytes > header_bytes)
		p->packets = (p->frame_bytes - header_bytes - 1) / p->segment_bytes + 1;
	p->wire_bytes += (p->packets - 1) * (header_bytes + p->tag_bytes);
}

/* The frame from data on, of which the part before end can be read. */
static __always_inline enum stage_result stage_parse(struct pkt *p, void *data, void *end)
{
	struct cursor c = { .at = data, .end = end, .left = p->frame_bytes };
	enum stage_result result;
	__u16 ether_type = 0;

	p->wire_bytes = p->frame_bytes + p->tag_bytes;
	result = parse_l2(p, &c, &ether_type);
	if (result != STAGE_NEXT)
		return result;
	p->l2_bytes = p->frame_bytes - c.left;
	if (ether_type == ETHER_IPV4)
		result = parse_ipv4(p, &c);
	else if (ether_type == ETHER_IPV6)
		result = parse_ipv6(p, &c);
	else
		return STAGE_PASS;
	p->header_bytes = p->l2_bytes + p->l3_bytes - c.left;
	/* What is dropped by policy counts like what goes on, which on the way out it does. */
	if ((p->segment_bytes || p->packets > 1) &&
	    (result == STAGE_NEXT || p->reason == DROP_UNKNOWN_L4))
		parse_merged(p, p->header_bytes);
	return result;
}
