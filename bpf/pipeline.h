/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The contract of a stage: `stage_x(struct pkt *)` looks at the packet and says how to go on. It
 * drops only through drop(), and counts nothing: that is done once, at the exit, from what the
 * stages left in the packet.
 *
 * The verifier follows every combination of what it knows about a packet separately. So parsing and
 * the exit are global functions, which it checks once and for all inputs; what lies between starts
 * from one state. Pointers do not survive being handed to them: see struct pkt_facts.
 */
#pragma once

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#include "config.h"
#include "sluice/abi/addr.h"
#include "sluice/abi/drop_reason.h"
#include "sluice/abi/guard.h"
#include "sluice/abi/limit.h"
#include "sluice/abi/vip.h"

enum stage_result {
	STAGE_NEXT, /* ask the next stage */
	STAGE_PASS, /* to the host */
	STAGE_DROP,
	STAGE_TX,    /* rewritten, to pkt.egress_ifindex */
	STAGE_REPLY, /* turned around, back to where it came from */
};

/* What a limit said about the packet. */
enum limit_outcome {
	LIMIT_UNASKED,
	LIMIT_ADMITTED,
	LIMIT_DROPPED,
	LIMIT_WOULD_DROP, /* dry_run */
};

struct limit_answer {
	__u8 limit_class;  /* 0: none */
	__u8 outcome;	   /* enum limit_outcome */
	__u8 unit;	   /* enum limit_unit or _refusal, of a refusal */
	__u8 is_total : 1; /* it was the class's total that refused */
	__u8 is_exact : 1; /* it was a meter of the source's own */
	__u8 is_near : 1;  /* it admits, and a meter is nearly empty: asked on the way out only */
};

/* The classes that a packet can meet, in the order in which they are asked and charged. */
#define LIMIT_SCOPE_KIND 0
#define LIMIT_SCOPE_SET	 1
#define LIMIT_SCOPES	 (LIMIT_SCOPE_SET + LIMIT_SET_CLASSES)

enum pkt_flag {
	PKT_IPV6 = 1,
	PKT_FRAGMENT = 2, /* first or later, or it quotes one: its ports count for nothing */
	PKT_QUOTES = 4,	  /* an ICMP error: flow is that of the packet it quotes */
	PKT_SYN = 8,	  /* TCP, SYN without ACK */
	PKT_VIPLESS = 16, /* cannot be matched with a vip */
	PKT_EGRESS = 32,  /* on the way out */
	PKT_ECT = 64,	  /* it can be told of congestion: only read on the way out */
	PKT_MARKED = 128, /* and was */
	PKT_RST = 256,	  /* TCP's flags of these names, in a whole packet or a first fragment */
	PKT_ACK = 512,
	PKT_ECHO = 1024,     /* an echo request of ICMP */
	PKT_SHARES = 2048,   /* it met a limit by cells that its source shares with others */
	PKT_UNJUDGED = 4096, /* there are no verdicts at all */
};

/* Starts as all zero: before 6.3, the verifier wants all of it written before it is handed over. */
struct pkt_facts {
	/* Of the device, before parsing. */
	__u32 frame_bytes; /* in memory, all buffers */
	__u16 tag_bytes;   /* of a VLAN tag that the device took out of the frame */
	union {
		__u16 flow_bits; /* of the flow's hash, once its backend was chosen by others of it */
		__u16 nat_life; /* until then: of the flow in nat_seen, its lower bits */
	};
	__u32 packets;	     /* 1, or how many the device or the stack merged */
	__u32 segment_bytes; /* payload of one of them; 0: not merged */
	__u32 ifindex;

	/* Of the parser. */
	__u32 wire_bytes;   /* as sent, without FCS: tags and every segment's headers included */
	__u32 l3_bytes;	    /* as the IP header says */
	__u16 header_bytes; /* link to the end of the transport header */
	__u16 l2_bytes;
	__u16 proto;	      /* transport; flow.proto differs when an error quotes */
	__u16 flags;	      /* enum pkt_flag */
	struct addr source;   /* who sent it */
	struct flow_key flow; /* the packet's, or for an ICMP error that of the packet it quotes */

	/* Of the stages. */
	__u16 reason; /* enum drop_reason */
	__u16 guard;  /* enum guard_count */
	__u64 now_ns; /* 0: the clock was not read yet */
	__u32 vip_id;
	union {
		__u32 backend_id;
		__u32 nat_seen; /* before stage_nat_find: its flow's slot, as of nat_slot */
	};
	union {
		__u32 egress_ifindex; /* STAGE_TX */
		__u32 generation;     /* until then: of policy, when the packet began to ask it */
		__u32 nat_slot; /* of a flow that is translated, after limits: 1 more; 0: none */
	};
	__u8 kind;    /* enum limit_kind, as far as headers tell */
	__u8 exempt;  /* 1: an allow prefix has the source */
	__u8 group;   /* of its source: what limits it meets; abi/source.h */
	__u8 service; /* of the vip: what limits it has; abi/limit.h */
	struct limit_answer limit[LIMIT_SCOPES];
};

/*
 * A packet: what is known of it, and where it is. Facts alone can be handed to a global function
 * between parsing and the exit; pointers do not survive it.
 */
struct pkt {
	union {
		struct pkt_facts;
		struct pkt_facts facts;
	};
	void *data;	 /* from the link header on */
	void *end;	 /* of what can be read directly; a frame of several buffers goes on */
	void *ctx;	 /* the program's own argument */
	struct vip *vip; /* NULL: to the host */
	struct backend *backend;
	__u64 ring_word; /* of its flow's slot in its vip's ring, with flow_bits; 0: it was not read yet */
};

/* Why a limit dropped a packet, or would have. */
static __always_inline enum drop_reason limit_reason(const struct limit_answer *answer)
{
	if (answer->unit == LIMIT_CONCURRENT)
		return DROP_LIMIT_CONCURRENT;
	return answer->is_total ? DROP_LIMIT_TOTAL : DROP_LIMIT_PACKETS + answer->unit;
}

static __always_inline enum stage_result drop(struct pkt *p, enum drop_reason reason)
{
	p->reason = reason;
	return STAGE_DROP;
}

/* Good to a few milliseconds, at a tenth of the cost: for what lasts seconds. */
static __always_inline __u64 pkt_now_coarse(const struct pkt_facts *p)
{
	if (clock_injected)
		return *(volatile __u64 *)&test_now_ns;
	return p->now_ns ? p->now_ns : bpf_ktime_get_coarse_ns();
}

/*
 * The number of the tick, after which the coarse clock and this stand still until the next. The
 * verifier replaces the call by a load, while a call of either clock costs more than 20 ns where returns
 * are mitigated.
 */
static __always_inline __u64 pkt_tick(void)
{
	return bpf_jiffies64();
}

/* The packet's one reading of the clock: it is the dearest thing on the path (26 ns). */
static __always_inline __u64 pkt_now(struct pkt_facts *p)
{
	if (p->now_ns == 0)
		p->now_ns = clock_injected ? *(volatile __u64 *)&test_now_ns : bpf_ktime_get_ns();
	return p->now_ns;
}
