/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a packet would meet: the programs of the hooks once more, compiled so that they change nothing
 * (bpf/explain.h), on the maps in force, loaded when somebody asks and unloaded when nobody does.
 */
#pragma once

#include <stddef.h>

#include "dataplane.h"
#include "sluice/abi/explain.h"

#define EXPLAIN_FRAME_MAX 9018 /* bytes: a jumbo frame */
#define EXPLAIN_GROWS_MAX 256  /* by outer headers at most */
#define EXPLAIN_FRAME_MIN 14   /* an Ethernet header, for XDP; for TC, what an IP packet needs */
#define EXPLAIN_IDLE_MS	  60000
#define EXPLAIN_PER_S	  100

struct explain_question {
	const void *frame;		       /* from the link header on */
	size_t bytes;			       /* EXPLAIN_FRAME_MIN..EXPLAIN_FRAME_MAX */
	const struct dataplane_device *device; /* that it comes by, attached */
};

struct explain_answer {
	struct explain_trace trace;
	uint8_t frame[EXPLAIN_FRAME_MAX + EXPLAIN_GROWS_MAX]; /* as it leaves the program */
	size_t bytes;
};

/*
 * Run it. The first one after a while loads the program, which takes the loop some tenths of a second;
 * EXPLAIN_IDLE_MS after the last one it is unloaded.
 * -EINVAL: no frame of that length. -EBUSY: more than EXPLAIN_PER_S in a second. Or, with *err, what
 * the kernel said.
 */
int explain_run(struct dataplane *dp, struct loop *loop, const struct explain_question *q,
		struct explain_answer *ret, struct errmsg *err);
/* Unload. */
void explain_stop(struct dataplane *dp);
