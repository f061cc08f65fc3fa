/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flows that the kernel knows one by one: those of mode nat, and those that windows note. There may
 * be twenty millions, which take as many seconds: so they are read in parts, between which the loop has
 * others to serve.
 */
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

/* At a time, of all who ask. */
#define FLOW_LISTS_MAX 4

struct flow_list;

/*
 *   filter  what it points to is the caller's, until the list is freed
 * -ENOENT: there are no vips; -EBUSY: too many lists are being read; -ENOMEM.
 */
int flow_list_open(struct dataplane *dp, const struct flow_filter *filter, struct flow_list **ret);
void flow_list_close(struct flow_list *l); /* NULL: fine */
/*
 * Some milliseconds' worth of them: each flow of the filter that is not over, as it is now; until fn says
 * other than 0, which is returned. Names are valid in the call. Flows that begin or end between two parts
 * may or may not be among them.
 * 1: there are more; 0: there are not; -ESTALE: their maps are others by now.
 */
int flow_list_next(struct flow_list *l, int (*fn)(const struct flow_row *row, void *ctx),
		   void *ctx);
/* How much of the maps was read. */
unsigned int flow_list_percent(const struct flow_list *l);
/* The dataplane is about to be closed. */
void flow_list_forget(struct dataplane *dp);
