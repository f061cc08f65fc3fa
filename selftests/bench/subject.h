/* SPDX-License-Identifier: BSD-2-Clause */
/* What the benchmark of the packet path measures: one row of its table each. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.h"

#define SUBJECT_RUNS 15
#define SUBJECT_FAST 100000000 /* a rate that never refuses here */
#define SUBJECT_SLOW 1	       /* one packet a day */

/* Which program; those of the shipped one have the stages behind theirs switched off. */
enum subject_program {
	SUBJECT_EMPTY,
	SUBJECT_EMPTY_EGRESS,
	SUBJECT_PRIMITIVES,
	SUBJECT_COOKIE_MAKE,
	SUBJECT_COOKIE_CHECK,
	SUBJECT_COOKIE_RAW,
	SUBJECT_PARSE, /* from here on ours */
	SUBJECT_ACL,
	SUBJECT_VERDICT,
	SUBJECT_LIMIT,
	SUBJECT_ALL,
	SUBJECT_EGRESS,
};

/* Of a flow that is translated. */
enum subject_nat {
	SUBJECT_NAT_NONE,
	SUBJECT_NAT_CLIENT,
	SUBJECT_NAT_ANSWER,
};

struct subject {
	const char *name;
	enum subject_program program;
	uint32_t expect; /* what it returns */
	enum frame_kind frame;
	uint64_t per_s;	 /* of a packet limit; 0: none */
	uint32_t limits; /* that a packet meets; 0: one; more have totals, bytes and connections */
	uint32_t concurrent;  /* connections that a source may have at a time; 0: any */
	uint32_t connections; /* that it has */
	bool proven;	      /* sources have meters of their own */
	uint32_t sources;     /* a power of two; 0: the packet's */
	uint32_t deny;	      /* prefixes, mixed lengths */
	uint32_t verdicts;    /* of others, on sources and as many on flows */
	bool verdict;	      /* one on the packet's source */
	bool vip;
	bool whole;    /* without the drop cache */
	uint32_t vips; /* of mode l2 that follow those of each mode and family: fill_vip.h */
	uint32_t
		clients; /* of those sources that have meters of their own, apart from the packet's */
	uint8_t guard;	 /* enum guard_mode, of vip and listener */
	bool again;	 /* the program changes the packet: it is written anew each time */

	const char *like; /* it runs the program of the subject of this name, and its maps */
	uint8_t vip_n;	  /* of those of its family the packet is to */
	bool front; /* behind flows.bpf.c, which writes the packet anew and takes its growth back */
	const char *floor; /* the subject that tells what that costs */
	uint32_t flows;	   /* that it makes, a power of two; 0: one */
	uint32_t to_vips;  /* of `vips` they are to */
	bool one_source;   /* they differ in their ports alone */

	bool nat;		/* addresses may be translated: its vip of mode nat has flows */
	enum subject_nat shows; /* of mode nat: whose packets are run */

	int own_fd;  /* its program */
	int prog_fd; /* what is run */
	struct frame packet;
	double ns[SUBJECT_RUNS];
};

extern struct subject subjects[];
extern const size_t n_subjects;

bool subject_is_floor(const struct subject *s);
struct subject *subject_named(const char *name);
/* The empty program of the same hook. */
const struct subject *subject_empty(const struct subject *s);
/* Load its program and fill its maps. What fails ends the program, by name. */
void subject_load(struct subject *s);
/* Run a packet once by a program of that name; what came of it replaces it. What it returned. */
uint32_t subject_run(int prog_fd, const char *name, struct frame *packet);
/* Once all are loaded: a flow that is translated, as which its packet goes on. */
void subject_begin_nat(struct subject *s);
/* Once all are loaded: what runs before it, and has it run. */
void subject_put_front(struct subject *s);
