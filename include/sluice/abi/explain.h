/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a program that explains (bpf/explain.h) leaves behind for the agent, in a map of its own that
 * is neither pinned nor outlives it: what became of one packet, stage by stage.
 */
#pragma once

#include <linux/types.h>

#include "addr.h"

/* In the order in which packets meet them. */
enum explain_stage {
	EXPLAIN_PARSE,
	EXPLAIN_ACL,
	EXPLAIN_VERDICT,
	EXPLAIN_NAT_BACK,
	EXPLAIN_VIP_FIND,
	EXPLAIN_GUARD,
	EXPLAIN_LIMIT,
	EXPLAIN_RESPONSE,
	EXPLAIN_ECHO,
	EXPLAIN_NAT_FIND,
	EXPLAIN_QUIC,
	EXPLAIN_VIP,
	EXPLAIN_MTU,
	EXPLAIN_MSS,
	EXPLAIN_NAT,
	EXPLAIN_ENCAP,
	EXPLAIN_FORWARD,
	EXPLAIN_STAGES,
};

/* What a stage, and at the end the program, said: enum stage_result of bpf/pipeline.h, and one. */
enum explain_result {
	EXPLAIN_UNASKED,
	EXPLAIN_NEXT,
	EXPLAIN_PASS,
	EXPLAIN_DROP,
	EXPLAIN_TX,
	EXPLAIN_REPLY,
};

enum explain_flag {
	EXPLAIN_FRAGMENT = 1,
	EXPLAIN_QUOTES = 2, /* an ICMP error: flow is that of the packet it quotes */
	EXPLAIN_SYN = 4,
	EXPLAIN_EXEMPT = 8,   /* an allow prefix has the source */
	EXPLAIN_ANSWERS = 16, /* UDP to a service whose answers are limited: it would get credit */
	EXPLAIN_BEGINS = 32,  /* it begins a flow that is translated */
	EXPLAIN_RING = 64,    /* its vip's ring was asked: slot and ring say where */
};

/* What the connection id says, of a packet to a vip that reads them. */
enum explain_quic {
	EXPLAIN_QUIC_UNREAD,
	EXPLAIN_QUIC_UNROUTABLE, /* as in struct stats_quic of abi/quic.h */
	EXPLAIN_QUIC_UNKNOWN,
	EXPLAIN_QUIC_ROUTED,
};

/* By what a packet has its backend in a slot that a change has moved (abi/vip_flow.h). */
enum explain_moved {
	EXPLAIN_MOVED_NOT, /* the slot was not */
	EXPLAIN_MOVED_RING,
	EXPLAIN_MOVED_NOTED,
	EXPLAIN_MOVED_BEFORE,
};

/* As struct limit_answer of bpf/pipeline.h. */
struct explain_limit {
	__u8 limit_class;
	__u8 outcome; /* 0 unasked, 1 admitted, 2 dropped, 3 would be, on trial */
	__u8 unit;    /* that refuses */
	__u8 flags;   /* 1: its total refuses, 2: by a meter of the source's own */
};

#define EXPLAIN_LIMIT_TOTAL 1
#define EXPLAIN_LIMIT_EXACT 2
#define EXPLAIN_LIMITS	    4

struct explain_trace {
	struct addr source;
	struct flow_key flow;
	__u64 verdict_until_ns; /* of the verdict that drops it; 0: none does */
	__u32 wire_bytes;
	__u32 l3_bytes;
	__u32 vip_id;
	__u32 backend_id;
	__u32 slot; /* of its vip's ring */
	__u32 ring;
	__u32 egress_ifindex;
	__u32 mtu;	    /* of the way to the backend */
	__u16 header_bytes; /* link to the end of the transport header */
	__u16 proto;	    /* transport; flow.proto differs when an error quotes */
	__u16 flags;	    /* enum explain_flag */
	__u16 reason;	    /* enum drop_reason */
	__u16 guard;	    /* enum guard_count */
	__u16 mss_was;	    /* of a SYN, that was lowered; 0: it was not */
	__u16 mss_is;
	__u8 verdict_reason; /* enum verdict_reason, and that verdict's action */
	__u8 verdict_action;
	__u8 result; /* enum explain_result */
	__u8 kind;   /* enum limit_kind */
	__u8 group;
	__u8 service;
	__u8 stage[EXPLAIN_STAGES + 1]; /* enum explain_result */
	struct explain_limit limit[EXPLAIN_LIMITS];
	__u8 quic;  /* enum explain_quic */
	__u8 moved; /* enum explain_moved */
};
ABI_SIZE(struct explain_trace, 152);
