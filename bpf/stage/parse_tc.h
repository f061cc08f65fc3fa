/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What TC has of a packet, for the parser; both programs of TC start so. */
#pragma once

#include "parse_l4.h"

/* <linux/pkt_cls.h> has them as macros. */
enum tc_action {
	TC_NEXT = -1, /* go on with other filters; the default is to pass */
	TC_DROP = 2,
};

/* Headers within this can be parsed; covers all but extravagant IPv6 extension headers. */
#define TC_HEADER_BYTES 256
#define TC_TAG_BYTES	4

__noinline int tc_parse(struct __sk_buff *ctx, struct pkt *p)
{
	__u32 want = ctx->len < TC_HEADER_BYTES ? ctx->len : TC_HEADER_BYTES;

	if (!p) /* never; a global function's argument may be, for the verifier */
		return STAGE_PASS;
	if ((void *)(long)ctx->data + want > (void *)(long)ctx->data_end)
		bpf_skb_pull_data(ctx,
				  want); /* failing leaves what can be read: the parser looks */
	p->frame_bytes = ctx->len;
	p->tag_bytes = ctx->vlan_present ? TC_TAG_BYTES : 0;
	p->segment_bytes = ctx->gso_size;
	p->packets = ctx->gso_segs ? ctx->gso_segs : 1; /* or more: parse_merged */
	p->ifindex = ctx->ifindex;
	return stage_parse(p, (void *)(long)ctx->data, (void *)(long)ctx->data_end);
}
