/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way of health checks that go as their vip's packets do: in the same outer headers, or by hardware
 * address, to one backend (abi/probe.h). A rule and a route of this network namespace, of both families,
 * and bpf/lwt_probe behind them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/errmsg.h"
#include "../conf/conf.h"
#include "sluice/abi/addr.h"

struct dataplane;
struct probe_way;

struct probe_way_to {
	struct addr addr; /* the vip's */
	uint32_t mark;	  /* of the socket: SO_MARK */
	bool has_source;
	struct addr source; /* what to bind to */
};

/*
 * Have rules and routes, or none of ours. Negative errno and *err: there is no such way, on a kernel
 * without CONFIG_LWTUNNEL_BPF for one.
 */
int probe_way_set(struct dataplane *dp, bool wanted, struct errmsg *err);
/*
 * How to probe the backend, by its place in conf, through its vip. False: not by this way, because there
 * is none, or because the vip's address is this host's own, so that nothing to it leaves.
 */
bool probe_way_get(struct dataplane *dp, const struct conf *conf, size_t vip, size_t backend,
		   struct probe_way_to *ret);
bool probe_way_is_local(struct dataplane *dp, const struct addr *vip);
/* Give up what the process holds; rules and routes stay, and with them the program. */
void probe_way_close(struct dataplane *dp);
/* Remove the rules and routes of this network namespace; without an open dataplane. */
int probe_way_remove(void);
