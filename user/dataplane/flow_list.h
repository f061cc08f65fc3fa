/* SPDX-License-Identifier: BSD-2-Clause */
/* The flows that the kernel knows one by one: those of mode nat, and those that windows note. */
#pragma once

#include "dataplane.h"
#include "sluice/abi/nat.h"

struct flow_row {
	bool is_nat; /* else noted in a window, of which there is no answer, and no phase */
	struct flow_key client; /* what the client shows */
	struct flow_key answer; /* what answers show */
	enum nat_phase phase;
	const char *vip;     /* "": it is not configured any more */
	const char *backend; /* the same */
	struct addr backend_address;
	uint64_t idle_ns; /* since its last packet: written once a second, and no later than 0 */
	uint64_t left_ns; /* until it is over, if no other comes */
};

/* NULL, everywhere: any. */
struct flow_filter {
	const char *vip;
	const char *backend;
	const struct prefix *client;
};

/*
 * Each flow of the filter that is not over, as it is by now_ns (CLOCK_MONOTONIC); until fn says other
 * than 0, which is returned. Names are valid until vips are applied again. -ENOENT: there are no vips.
 */
int flow_list_each(struct dataplane *dp, const struct flow_filter *filter, uint64_t now_ns,
		   int (*fn)(const struct flow_row *row, void *ctx), void *ctx);
