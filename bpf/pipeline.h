/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The contract of a stage: `stage_x(struct pkt *)` looks at the packet and says how to go on. It
 * drops only through drop(), and counts nothing: that is done once, at the exit, from what the
 * stages left in the packet.
 *
 * The verifier follows every combination of what it knows about a packet separately. So parsing and
 * the exit are global functions, which it checks once and for all inputs; what lies between starts
 * from one state. Pointers do not survive being handed to them: see struct pkt.
 */
#pragma once

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#include "config.h"
#include "sluice/abi/client.h"
#include "sluice/abi/drop_reason.h"
#include "sluice/abi/vip.h"

enum stage_result {
	STAGE_NEXT, /* ask the next stage */
	STAGE_PASS, /* to the host */
	STAGE_DROP,
	STAGE_TX, /* rewritten, to pkt.egress_ifindex */
};

/* What a limit said about the packet. */
enum limit_outcome {
	LIMIT_UNASKED,
	LIMIT_ADMITTED,
	LIMIT_DROPPED,
	LIMIT_WOULD_DROP, /* dry_run */
};

struct limit_answer {
	__u32 limit_class; /* 0: none */
	__u32 outcome;	   /* enum limit_outcome */
	__u32 unit;	   /* enum limit_unit, of a refusal */
};

/* The limits that a packet can meet, in the order of commitment. */
enum limit_scope { LIMIT_SCOPE_SOURCE, LIMIT_SCOPE_VIP, LIMIT_SCOPES };

enum pkt_flag {
	PKT_IPV6 = 1,
	PKT_FRAGMENT = 2, /* first or later, or it quotes one: its ports count for nothing */
	PKT_QUOTES = 4,	  /* an ICMP error: flow is that of the packet it quotes */
	PKT_SYN = 8,	  /* TCP, SYN without ACK */
	PKT_VIPLESS = 16, /* cannot be matched with a vip */
};

/* The cached policy of a source: see client.h. */
struct client_policy {
	__u64 verdict_until_ns;
	__u16 limit_class;
	__u8 acl;
	__u8 verdict_action;
	__u8 verdict_reason;
	__u8 flow_verdicts;
	__u32 barrier; /* nothing: a word to be atomic on */
};

/* Starts as all zero: before 6.3, the verifier wants all of it written before it is handed over. */
struct pkt {
	/* Of the device, before parsing. */
	__u32 frame_bytes;   /* in memory, all buffers */
	__u32 tag_bytes;     /* of a VLAN tag that the device took out of the frame */
	__u32 packets;	     /* 1, or how many the device or the stack merged */
	__u32 segment_bytes; /* payload of one of them; 0: not merged */
	__u32 ifindex;

	/* Of the parser. */
	__u32 wire_bytes;   /* as sent, without FCS: tags and every segment's headers included */
	__u32 header_bytes; /* link to transport header; of merged packets only */
	__u32 l2_bytes;
	__u32 l3_bytes;	      /* as the IP header says */
	__u32 flags;	      /* enum pkt_flag */
	__u32 proto;	      /* transport; flow.proto differs when an error quotes */
	struct addr source;   /* who sent it */
	struct flow_key flow; /* the packet's, or for an ICMP error that of the packet it quotes */

	/* Of the stages. */
	__u32 reason; /* enum drop_reason */
	__u64 now_ns; /* 0: the clock was not read yet */
	__u32 vip_id;
	__u32 backend_id;
	__u32 egress_ifindex;
	__u32 exempt; /* 1: an allow prefix has the source */
	struct limit_answer limit[LIMIT_SCOPES];
	struct client_policy policy;

	/* Pointers: after parsing and until the exit. */
	void *data; /* from the link header on */
	void *end;  /* of what can be read directly; a frame of several buffers goes on */
	struct client *client; /* NULL: no room for a record */
	struct vip *vip;       /* NULL: to the host */
	struct backend *backend;
};

static __always_inline enum stage_result drop(struct pkt *p, enum drop_reason reason)
{
	p->reason = reason;
	return STAGE_DROP;
}

/* The packet's one reading of the clock: it is the dearest thing on the path (26 ns). */
static __always_inline __u64 pkt_now(struct pkt *p)
{
	if (p->now_ns == 0)
		p->now_ns = clock_injected ? *(volatile __u64 *)&test_now_ns : bpf_ktime_get_ns();
	return p->now_ns;
}
