/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One hook beside the model: the same policy, the same packets, and what both say of them. A lane is
 * used by one thread on one CPU, since some state of the programs is per CPU.
 */
#pragma once

#include "bpf/plane.h"
#include "bpf/plane_explain.h"
#include "frame.h"
#include "model.h"
#include "sluice/abi/limit_concurrent.h"

#define LANE_RING_STRIDE PLANE_RING
#define LANE_REPLIES	 16
/* BPF_PROG_TEST_RUN refuses to make an skb of less than a whole IP header. */
#define LANE_TC_BYTES_MIN (14 + 40)

/* A SYN that was answered: as it went out, and what would bring the cookie back. */
struct lane_reply {
	struct model_cookie made;
	uint32_t l3_at, len;
	uint8_t bytes[256];
};

struct quic_key;

/* Bugs that are planted in what the lane does as the agent; others are those of the programs. */
#define LANE_PLANTED_YOUNG   14 /* young flows are not counted anew in a table of another size */
#define LANE_PLANTED_EXPLAIN 15 /* who explains takes a number out of the series */

#define LANE_SENT 32

/* A packet that went on translated. */
struct lane_sent {
	uint32_t l3_at, l4_at, len;
	bool ipv6;
	uint8_t proto;
	uint8_t bytes[256];
};

/* A change of rates that is under way. */
struct lane_carry {
	uint32_t id; /* 0: none is */
	uint32_t step;
	struct limit_rates from, to;
};

struct lane {
	struct plane plane;
	struct plane out; /* of the way out, with the same maps */
	bool has_out;
	uint32_t planted;
	struct plane_explain explain;
	uint32_t n_explain; /* packets that could be */
	struct model model;
	/* Maps, as memory. */
	struct limit_class *classes;
	struct limit_meters *rows;
	struct limit_set *sets;
	struct limit_state *state;
	struct limit_ports *ports;
	struct limit_amplifier *amplifier;
	struct vip_slot *ring;
	struct vip_window *windows;
	struct verdict_filter *filter;
	struct guard *guards;
	struct capture *capture;
	struct ring_buffer *captures;
	struct quic_key *ciphers;		  /* makes them; NULL: the kernel has none */
	uint8_t cipher[MODEL_VIPS][QUIC_CONFIGS]; /* keys, by their numbers, that it has */
	struct capture_packet captured;		  /* the last */
	uint32_t n_captured;			  /* of the last packet */
	struct response_state *response;
	struct cookie_check *cookies; /* asks the kernel about cookies */
	struct lane_reply reply[LANE_REPLIES];
	uint32_t n_reply; /* so far; the last LANE_REPLIES are kept */
	struct nat_state *nat_state;
	struct nat_flow *nat_flow;
	struct limit_concurrent_set *concurrent;
	struct lane_sent sent[LANE_SENT];
	uint32_t n_sent; /* of the round, as n_reply */
	struct model_counters
		begin;	   /* what the round began with: counters are only ever added to */
	uint32_t n_client; /* of the model's, those that map `clients` was told */
	struct lane_carry carry;
	/* Of the round: compared packets of captures, samples of heavy hitters. */
	uint64_t captures_seen, samples_seen;
	uint64_t echoed, too_big;     /* of the round, too: answered so */
	uint64_t nat_moved, nat_lost; /* flows, by changes of their maps' size */
	uint64_t nat_errors;	      /* translated */
	uint64_t quic_encrypted;      /* sent by encrypted server ids */
	uint32_t cpus;
	bool has_top;	/* else the drop cache answers more: samples go past it */
	char said[256]; /* what differs, once something does */
};

/* What a packet is sent with besides its bytes. */
struct lane_packet {
	struct frame frame;
	bool egress;
	uint64_t now_ns;
	uint32_t segments; /* TC only, of the way in */
	uint32_t segment_bytes;
};

/* planted: enum of planted.bpf.c; 0 is the program as it ships. */
void lane_open(struct lane *l, enum plane_hook hook, bool unknown_l4_drop, uint32_t planted);
void lane_close(struct lane *l);

/* Nothing spent and nobody proven; then write the model's policy to the maps, lists included. */
void lane_begin(struct lane *l);
/* One change of what an operator or the agent may change while packets flow, or a step of it. */
void lane_change(struct draw *d, struct lane *l, uint64_t now_ns);
/* The model's policy or clients changed, the lists aside. */
void lane_write(struct lane *l);

/* Run it through both; false, and what differs is in said. The frame is rewritten if it is sent on. */
bool lane_run(struct lane *l, struct lane_packet *p);
/* The maps'. */
void lane_read_counters(const struct lane *l, struct model_counters *ret);
/* The same of all counters; of the meters, the proven sources and what each verdict dropped. */
bool lane_check_counters(struct lane *l);
bool lane_check_state(struct lane *l);
