/* SPDX-License-Identifier: BSD-2-Clause */
/* Maps guards and stats_guard: what answers SYNs under a flood, and what this kernel can do of it. */
#pragma once

#include <linux/bpf.h>

#include "dataplane.h"
#include "sluice/abi/guard.h"

struct guard_state {
	uint32_t mode; /* enum guard_mode */
	bool on;
	uint64_t turns; /* how often it turned on */
	struct stats_guard counts;
};

/* Before load: which helpers the kernel has; the programs are told by their settings. */
void guard_map_probe(struct dataplane *dp);
/* The same, asking of each helper. */
void guard_map_probe_by(struct dataplane *dp, bool (*has)(enum bpf_func_id helper));

/* After vip_map_apply: the guards of all vips and of the listeners of this host are those of conf. */
int guard_map_apply(struct dataplane *dp, const struct conf *conf, struct errmsg *err);
/* By vip id, or GUARD_OWN. 0 or negative errno. */
int guard_map_state(struct dataplane *dp, uint32_t id, struct guard_state *ret);

/* What can be done here, in one line: "SYN cookies for listeners (MSS alone), …". */
void guard_map_describe(const struct dataplane *dp, char *ret, size_t ret_bytes);
/* What keeps the configured guards from working, if anything, read anew: a line each. */
#define GUARD_WARNINGS_MAX 4
size_t guard_map_warnings(struct dataplane *dp, char ret[][256], size_t max);
