/* SPDX-License-Identifier: BSD-2-Clause */
/* What the benchmark of the packet path measures: one row of its table each. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.h"

#define SUBJECT_RUNS 9

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
	uint8_t guard; /* enum guard_mode, of vip and listener */
	bool again;    /* the program changes the packet: it is written anew each time */

	int prog_fd; /* what is run */
	struct frame packet;
	double ns[SUBJECT_RUNS];
};

extern struct subject subjects[];
extern const size_t n_subjects;

bool subject_is_floor(const struct subject *s);
/* Load its program and fill its maps. What fails ends the program, by name. */
void subject_load(struct subject *s);
