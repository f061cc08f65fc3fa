/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Flows whose addresses are translated. Map `nat_flow` (array) has a slot per flow; map `nat_tuple`
 * (hash, two entries per flow) finds it by what a packet shows: by the client's, or by the answer's.
 * What is at an end stays in its slot until a packet comes by that looks there: for a flow to begin
 * in it, or because another flow was written. Nothing of it waits for the agent.
 */
#pragma once

#include "addr.h"
#include "limit_concurrent.h"

/* Ports that answers come to, below those that Linux takes by itself (ip_local_port_range). */
#define NAT_PORT_FIRST 1024
#define NAT_PORTS      31744 /* 1024..32767, split evenly among CPUs */

/* How far a flow is; NAT_FREE and NAT_BUSY are the slot's. */
enum nat_phase {
	NAT_FREE,	 /* no flow */
	NAT_BUSY,	 /* a CPU fills or empties it */
	NAT_OPENING,	 /* the client asked */
	NAT_ANSWERED,	 /* the backend answered */
	NAT_ESTABLISHED, /* the client went on: it is real */
	NAT_CLIENT_FIN,	 /* the client has said all that it has to say */
	NAT_BACKEND_FIN, /* the backend has */
	NAT_CLOSED,	 /* both, or one of them reset it */
	NAT_PHASES,
};

/* Value of map `nat_tuple`, by struct flow_key. */
struct nat_ref {
	__u32 slot;
	__u32 life;    /* as that of the slot, or the flow has gone */
	__u32 is_back; /* 1: it is what answers show */
};
ABI_SIZE(struct nat_ref, 12);

struct nat_flow {
	struct flow_key client; /* client to vip */
	struct flow_key answer; /* backend to where it answers: an address of ours, or the client */
	__u64 until_ns;		/* CLOCK_MONOTONIC: it has ended if nothing comes before */
	enum nat_phase phase;
	__u32 life; /* raised with each flow in the slot */
	__u32 vip_id;
	__u32 backend_id;
	__u32 backend_generation; /* of its record when the flow began */
	__u32 ifindex;		  /* where the client's packets come in */
	__u8 client_mac[6];	  /* and from whom, in the link's terms */
	__u8 edge_mac[6];
	__u32 is_young; /* 1: counted in nat_state.young */
	struct limit_concurrent_place place;
};
ABI_SIZE(struct nat_flow, 144);

enum nat_timeout {
	NAT_TIMEOUT_TCP_OPENING,
	NAT_TIMEOUT_TCP_ESTABLISHED,
	NAT_TIMEOUT_TCP_CLOSING, /* one side has ended */
	NAT_TIMEOUT_TCP_CLOSED,
	NAT_TIMEOUT_UDP_OPENING,
	NAT_TIMEOUT_UDP_ESTABLISHED,
	NAT_TIMEOUTS,
};

/* How long a flow of that phase lasts without a packet. */
static inline enum nat_timeout nat_timeout_of(int is_udp, __u32 phase)
{
	if (is_udp)
		return phase == NAT_ESTABLISHED ? NAT_TIMEOUT_UDP_ESTABLISHED
						: NAT_TIMEOUT_UDP_OPENING;
	return phase < NAT_ESTABLISHED	  ? NAT_TIMEOUT_TCP_OPENING
	       : phase == NAT_ESTABLISHED ? NAT_TIMEOUT_TCP_ESTABLISHED
	       : phase == NAT_CLOSED	  ? NAT_TIMEOUT_TCP_CLOSED
					  : NAT_TIMEOUT_TCP_CLOSING;
}

/* Map `nat_state` (array, one element, memory-mapped): the agent's settings, the programs' counts. */
struct nat_state {
	__u32 is_on;	 /* 0: there is no flow, and no vip that could have one */
	__u32 max_flows; /* slots */
	__u32 max_young; /* flows that no client has proven yet: a share of the slots */
	__u32 young;	 /* how many there are */
	__u32 hand;	 /* the slot that was looked at last, modulo max_flows */
	__u32 pad;
	__u64 timeout_ns[NAT_TIMEOUTS];
};
ABI_SIZE(struct nat_state, 72);

#define NAT_SOURCES_MAX 8

/* Map `nat_vip` (array), by vip id. */
struct nat_vip {
	__u32 n_sources; /* 0: the client's address stays, and the way back leads through here */
	__u32 pad;
	struct addr source[NAT_SOURCES_MAX]; /* of the vip's family */
};
ABI_SIZE(struct nat_vip, 136);

/* Map `stats_nat` (per-CPU array), by backend id. */
struct stats_nat {
	__u64 opened;
	__u64 ended;	 /* flows now: opened less ended */
	__u64 expired;	 /* of these: not closed by either side */
	__u64 exhausted; /* not opened: no port was found that is free */
	__u64 full;	 /* not opened: no slot was, or too many flows are young */
	__u64 answer_packets;
	__u64 answer_bytes;
};
ABI_SIZE(struct stats_nat, 56);
