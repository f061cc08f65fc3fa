/* SPDX-License-Identifier: BSD-2-Clause */
/* The BPF objects: opened with the configuration's sizes and settings, loaded on adopted maps. */
#pragma once

#include "base/errmsg.h"

struct bpf_object;
struct dataplane;

enum program_object {
	PROGRAM_AGENT_MAPS,
	PROGRAM_XDP,
	PROGRAM_TC,
	PROGRAM_EGRESS,
	PROGRAM_SK_LOOKUP, /* not opened where the kernel lacks it */
	PROGRAM_OBJECTS,
	PROGRAM_CONCURRENT,  /* not of the packet path: loaded when it is wanted */
	PROGRAM_XDP_FIXED,   /* for a dispatcher, where the kernel refuses PROGRAM_XDP there */
	PROGRAM_XDP_EXPLAIN, /* tells what PROGRAM_XDP would do: never attached, loaded when asked */
	PROGRAM_TC_EXPLAIN,
	PROGRAM_QUIC_KEY, /* of keys of connection ids: loaded when a vip has one */
};

struct program_set {
	struct bpf_object *obj[PROGRAM_OBJECTS];
};

/* Libraries complain to program_complaint and not to stderr. program_open does it too. */
void program_quiet(void);
/* Open all objects and list the maps that they share in dp->maps, with the shapes wanted. */
int program_open(struct dataplane *dp, struct program_set *ret, struct errmsg *err);
/*
 * Load them. Maps of dp that have a descriptor are used, the others made; dp->xdp is set, dp->tc
 * and dp->egress if there is one in force, and dp->sk_lookup where the kernel takes it.
 */
int program_load(struct dataplane *dp, struct program_set *set, struct errmsg *err);
/* Load PROGRAM_TC or PROGRAM_EGRESS on the maps that are there: dp->tc, dp->egress. */
int program_load_late(struct dataplane *dp, enum program_object which, struct errmsg *err);
void program_set_clear(struct program_set *set); /* descriptors in dp stay */
/* What counts connections, on dp's maps: its descriptor in *ret. */
int program_load_concurrent(struct dataplane *dp, uint32_t generation, uint64_t netns_cookie,
			    int *ret, struct errmsg *err);
/*
 * Another XDP object on dp's maps, not loaded: libxdp loads it for one dispatcher.
 *   which  PROGRAM_XDP or PROGRAM_XDP_FIXED
 */
int program_open_xdp(struct dataplane *dp, enum program_object which, struct bpf_object **ret,
		     struct errmsg *err);
/*
 * A program that explains, on dp's maps and with the variables of the program that it explains; the
 * caller's to close.
 *   which  PROGRAM_XDP_EXPLAIN or PROGRAM_TC_EXPLAIN
 */
int program_load_explain(struct dataplane *dp, enum program_object which, struct bpf_object **ret,
			 struct errmsg *err);
/* The first complaint of libbpf or libxdp since program_complaint_clear; "" when there is none. */
const char *program_complaint(void);
void program_complaint_clear(void);
