/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Vips with real next hops: backends are namespaces behind a veth each, packets enter at client0 and
 * are redirected by the program on edge0.
 */
#pragma once

#include <stdbool.h>

#include "dataplane/vip_map.h"
#include "dataplane_lab.h"

#define VIP_LAB_VIP   "192.0.2.80"
#define VIP_LAB_PORT  5353
#define VIP_LAB_FLOWS 64
#define VIP_LAB_HOSTS 2

struct vip_lab {
	struct lab *lab;
	struct dataplane *dp;
	struct conf_device device;
	struct conf_dataplane conf_dp;
	int netns[VIP_LAB_HOSTS];
	int socket[VIP_LAB_HOSTS]; /* in the host's namespace, bound to the vip */
	struct conf_backend backend[VIP_LAB_HOSTS];
	struct conf_vip vip;
	struct conf conf;
};

/* Which host got which flow: by source port. */
struct vip_arrivals {
	struct vip_lab *w;
	int host[VIP_LAB_FLOWS]; /* -1: none */
	int n;
};

/* cmocka fixtures; *state is a struct vip_lab, whose vip is not applied yet. */
int vip_lab_open(void **state);
int vip_lab_close(void **state);

void vip_lab_apply(struct vip_lab *w);
struct vip_backend_state vip_lab_state(struct vip_lab *w, size_t i);
/* For lab_until: every backend has its share of the ring; the second has none, the first all. */
bool vip_lab_all_in_ring(void *ctx);
bool vip_lab_second_is_out(void *ctx);
/* A datagram of each flow into client0; and wait until all have arrived. */
void vip_lab_send(void);
struct vip_arrivals vip_lab_exchange(struct vip_lab *w);
/* How many flows a host got. */
int vip_lab_share(const struct vip_arrivals *a, int host);
