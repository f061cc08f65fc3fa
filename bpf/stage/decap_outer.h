/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The headers in front of a packet in a packet, for stage/decap.h. */
#pragma once

#include <stdbool.h>

#include <vmlinux.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "../lib/address.h"
#include "../lib/cursor.h"
#include "../lib/proto.h"
#include "sluice/abi/addr.h"
#include "sluice/abi/decap.h"
#include "sluice/algo/csum.h"

#define DECAP_NOT (-1) /* not for us: to the host as it is */

/* What was found in front of the inner packet. */
struct decap_outer {
	struct addr from;
	struct addr to;
	__u32 l2_bytes;
	__u32 outer_bytes;   /* all between link header and inner packet */
	__u32 payload_bytes; /* behind the outer IP header, as it says */
	__u8 proto;	     /* behind it; of what is inside, once known */
	__u8 v6;
	__u8 ecn;
	__u8 broken; /* the header's own checksum is wrong */
};

static __always_inline bool decap_link(struct cursor *c, struct decap_outer *o, __u16 *type)
{
	const struct ethhdr *eth = cursor_take(c, sizeof(*eth));
	const struct vlan_hdr *tag;
	__u32 i;

	if (!eth)
		return false;
	*type = bpf_ntohs(eth->h_proto);
	o->l2_bytes = sizeof(*eth);
#pragma unroll
	for (i = 0; i < 2; i++) {
		if (!ether_is_vlan(*type))
			break;
		tag = cursor_take(c, sizeof(*tag));
		if (!tag)
			return false;
		*type = bpf_ntohs(tag->h_vlan_encapsulated_proto);
		o->l2_bytes += sizeof(*tag);
	}
	return true;
}

/* Whole, without options: nobody puts these before a tunnel's payload. */
static __always_inline bool decap_v4(struct cursor *c, struct decap_outer *o)
{
	const struct iphdr *ip = cursor_take(c, sizeof(*ip));
	const __be16 *word = (const __be16 *)ip;
	__u64 sum = 0;
	__u32 i;

	if (!ip || ip->version != 4 || ip->ihl != 5 ||
	    (ip->frag_off & bpf_htons(IPV4_FRAG_OFFSET | IPV4_FRAG_MORE)))
		return false;
#pragma unroll
	for (i = 0; i < sizeof(*ip) / 2; i++)
		sum += word[i];
	o->broken = csum_fold(sum) != 0 || bpf_ntohs(ip->tot_len) < sizeof(*ip);
	o->payload_bytes = (bpf_ntohs(ip->tot_len) - sizeof(*ip)) & 0xffff;
	o->proto = ip->protocol;
	o->ecn = ip->tos & 3;
	o->outer_bytes = sizeof(*ip);
	address_from_v4(&o->from, ip->saddr);
	address_from_v4(&o->to, ip->daddr);
	return true;
}

static __always_inline bool decap_v6(struct cursor *c, struct decap_outer *o)
{
	const struct ipv6hdr *ip = cursor_take(c, sizeof(*ip));

	if (!ip || ip->version != 6)
		return false;
	o->payload_bytes = bpf_ntohs(ip->payload_len);
	o->proto = ip->nexthdr;
	o->v6 = 1;
	o->ecn = ip->flow_lbl[0] >> 4 & 3;
	o->outer_bytes = sizeof(*ip);
	address_from_v6(&o->from, &ip->saddr);
	address_from_v6(&o->to, &ip->daddr);
	o->broken = address_is_mapped(
		&o->from); /* nobody's on the wire: it would match IPv4 prefixes */
	return true;
}

/* What kind of tunnel it is, if it is one that is taken here. */
static __always_inline int decap_kind(struct cursor *c, struct decap_outer *o,
				      const struct decap_settings *settings)
{
	const struct udphdr *udp;

	if (o->proto == PROTO_IPIP || (o->v6 && o->proto == PROTO_IPV6))
		return settings->ipip ? DECAP_IPIP : DECAP_NOT;
	if (o->proto != PROTO_UDP || !settings->gue_port)
		return DECAP_NOT;
	udp = cursor_take(c, sizeof(*udp));
	if (!udp || udp->dest != settings->gue_port)
		return DECAP_NOT;
	if (bpf_ntohs(udp->len) != o->payload_bytes)
		o->broken = 1;
	o->payload_bytes -= sizeof(*udp);
	o->outer_bytes += sizeof(*udp);
	return DECAP_GUE;
}

/* Behind UDP: the inner packet, or GUE's own header of four bytes. o->proto becomes what is inside. */
static __always_inline bool decap_gue(struct cursor *c, struct decap_outer *o)
{
	const __u8 *first = c->at;

	if (c->at + 4 > c->end)
		return false;
	if (first[0] >> 4 == 4 || first[0] >> 4 == 6) {
		o->proto = first[0] >> 4 == 4 ? PROTO_IPIP : PROTO_IPV6;
		return true;
	}
	/* Version, control, length of options; then the protocol, and flags of which each is an option. */
	if (first[0] || first[2] || first[3])
		return false;
	o->proto = first[1];
	o->outer_bytes += 4;
	o->payload_bytes -= 4;
	return cursor_take(c, 4) && (o->proto == PROTO_IPIP || o->proto == PROTO_IPV6);
}
