/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of guards: TCP segments, what answers them, and a network namespace with a listener of its own,
 * whose cookies are the kernel's.
 */
#pragma once

#include "plane_case.h"
#include "sluice/abi/guard.h"

#define GUARD_LAB_ISN 0x01020304U
/* What the longest packet takes, less headers: the loopback's MTU is larger. */
#define GUARD_LAB_MSS_LO4 65495
#define GUARD_LAB_MSS_LO6 65475

struct guard_segment {
	struct packet_spec spec;
	uint32_t seq, ack;
	const uint8_t *options;
};

struct guard_place {
	const char *sentence;
	const char *src, *dst;
	uint32_t tags;
	uint16_t mss;
};

/* The guard of a vip, or of GUARD_OWN. */
void guard_lab_set(struct plane *p, uint32_t id, const struct guard *g);
struct guard guard_lab_get(struct plane *p, uint32_t id);
uint64_t guard_lab_count(struct plane *p, uint32_t id, enum guard_count what);

/* A SYN with Linux's options, and what follows it, without any. */
struct guard_segment guard_lab_syn(const char *src, const char *dst, uint16_t dport);
struct guard_segment guard_lab_bare(struct guard_segment s, uint8_t flags, uint32_t seq,
				    uint32_t ack);
void guard_lab_build(const struct guard_segment *s, struct packet *ret);
/* out may be NULL. */
enum plane_action guard_lab_send(struct plane *p, const struct guard_segment *s,
				 struct packet *out);

bool guard_lab_replied(const struct plane *p, enum plane_action action);
/* A frame turned around: the fields that every answer has. */
void guard_lab_check_turned(const struct packet *in, const struct packet *out);
uint32_t guard_lab_get32(const uint8_t *at);

/*
 * Into a network namespace of its own, where SYN cookies are always made; the listener of both
 * families there, and its port. Fails the process: there is no test to run without.
 */
int guard_lab_open(uint16_t *ret_port);
