/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two CPUs at once: two threads, each on a CPU of its own, with packets for the same flows, limits and
 * slots. What becomes of a packet depends on who comes first, so nothing is compared with the model; but
 * when both are done, what the maps say has to be of a piece, and no limit is exceeded by more than the
 * documents say. A seed does not repeat a run.
 */
#pragma once

#include "bpf/plane.h"

struct race_options {
	uint64_t seed;
	uint64_t packets; /* of each CPU */
	enum plane_hook hook;
	uint32_t planted; /* a bug of planted.bpf.c; XDP only */
};

struct race_result {
	uint64_t opened, refused; /* flows; for having all their connections */
	bool failed;
	char said[256];
};

void race_run(const struct race_options *options, struct race_result *ret);
