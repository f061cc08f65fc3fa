/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The link header and its VLAN tags; what follows them: parse.h. */
#pragma once

#include "../lib/cursor.h"
#include "../lib/proto.h"
#include "../pipeline.h"

/* Why cursor_take refused: the packet ends there, or goes on where the parser does not look. */
static __always_inline enum stage_result parse_short(struct pkt *p, const struct cursor *c,
						     __u32 bytes)
{
	return drop(p, bytes > c->left ? DROP_MALFORMED : DROP_EXT_HEADERS);
}

/* Look through a VLAN tag, if there is one. */
static __always_inline enum stage_result parse_tag(struct pkt *p, struct cursor *c,
						   __u16 *ether_type)
{
	const struct vlan_hdr *tag;

	if (!ether_is_vlan(*ether_type))
		return STAGE_NEXT;
	tag = cursor_take(c, sizeof(*tag));
	if (!tag)
		return parse_short(p, c, sizeof(*tag));
	*ether_type = bpf_ntohs(tag->h_vlan_encapsulated_proto);
	return STAGE_NEXT;
}

/* Link header and up to two tags; *ether_type in host order. */
static __always_inline enum stage_result parse_l2(struct pkt *p, struct cursor *c,
						  __u16 *ether_type)
{
	const struct ethhdr *eth = cursor_take(c, sizeof(*eth));
	enum stage_result result;

	if (!eth)
		return parse_short(p, c, sizeof(*eth));
	*ether_type = bpf_ntohs(eth->h_proto);
	result = parse_tag(p, c, ether_type);
	if (result == STAGE_NEXT)
		result = parse_tag(p, c, ether_type);
	/* A third tag would hide an address from every list. */
	if (result == STAGE_NEXT && ether_is_vlan(*ether_type))
		return drop(p, DROP_MALFORMED);
	return result;
}
