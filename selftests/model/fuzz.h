/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets through lanes, round by round: a round has a policy of its own and depends on its seed only. */
#pragma once

#include "bpf/plane.h"
#include "sluice/abi/guard.h"
#include "sluice/abi/nat.h"

struct fuzz_options {
	uint64_t seed;	  /* of the first round */
	uint64_t packets; /* per hook */
	uint32_t hooks;	  /* bit per enum plane_hook */
	uint32_t every;	  /* counters are compared after so many packets */
	uint32_t planted; /* a bug of planted.bpf.c or planted_egress.bpf.c; XDP only */
	uint32_t threads; /* 0: two per CPU, since writing lists waits */
};

struct fuzz_result {
	uint64_t packets[PLANE_HOOKS]; /* compared */
	uint64_t rounds;
	/* What became of them, over both hooks: a run that reaches little says little. */
	uint64_t dropped[DROP_REASON_COUNT];
	uint64_t action[STATS_ACTIONS];
	uint64_t admitted, would_drop; /* by limit classes */
	uint64_t marked;	       /* on the way out */
	uint64_t echoed, too_big;      /* answered so */
	struct stats_nat nat;	       /* over all backends */
	uint64_t nat_errors;	       /* translated */
	uint64_t nat_moved, nat_lost;  /* flows, when their maps got another size */
	uint64_t captured, sampled;    /* packets of captures, samples of heavy hitters */
	uint64_t guarded[GUARD_COUNT_COUNT];
	uint64_t quic[3];	 /* routed, unroutable, unknown */
	uint64_t quic_encrypted; /* of the first */
	bool failed;
	/* Of the first failure found. */
	enum plane_hook hook;
	uint64_t seed;	      /* its round's: --seed */
	uint64_t nth;	      /* packet of the round, from 1: --packets */
	bool unknown_l4_drop; /* the setting of the program's */
	char said[256];
	char hex[2 * 2400 + 1]; /* the packet, as it came */
};

/* Threads are pinned. Needs root. */
void fuzz_run(const struct fuzz_options *options, struct fuzz_result *ret);
