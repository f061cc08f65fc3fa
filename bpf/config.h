/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Settings that the loader fixes before load. The verifier knows their values and deletes what they
 * switch off, so a feature that is off costs nothing.
 */
#pragma once

#include <stdbool.h>

#include <linux/types.h>

/* Drop transport protocols other than TCP, UDP and ICMP; otherwise they go on to the host. */
const volatile bool unknown_l4_drop = false;

/* Events a second and drop reason, over all CPUs, that reach the ring buffer; 0: none. */
const volatile __u32 events_per_s = 100;

/* Answers a second, over all CPUs, to packets that do not fit to their backend; 0: none. */
const volatile __u32 too_big_per_s = 1000;

/* Answers a second, over all CPUs, to echo requests to vips; 0: none, they are the host's. */
const volatile __u32 echo_per_s = 1000;

/* Count heavy hitters. */
const volatile bool top_enabled = true;

/* Slots that a ring has room for: vip_ring has max_vips * 2 * ring_stride of them. */
const volatile __u32 ring_stride = 65537;

/*
 * Flows a second that a vip may note while its ring changes: new ones by their SYN, over which they go
 * to the backend of before, and others.
 */
const volatile __u32 vip_syns_per_s = 10000;
const volatile __u32 vip_notes_per_s = 20000;

/* The XDP program was loaded for packets of several buffers (5.18): ask for their whole length. */
const volatile bool xdp_frags = true;

/* Sources a second and CPU, refused by a row, whose connection is looked for among this host's. */
const volatile __u32 proofs_per_s = 20000;

/* CPUs that share the ports of translated flows. */
const volatile __u32 nat_cpus = 1;

/* Sets of map limit_concurrent. */
const volatile __u32 limit_concurrent_sets = 8192;

/* The kernel can make SYN cookies for its listeners; it can make them without a socket (6.0). */
const volatile bool guard_own = true;
const volatile bool guard_vips = true;

/* The kernel has ciphers for programs (6.10): encrypted connection ids of QUIC can be read. */
const volatile bool quic_encryption = false;

/* Odd and secret: who could know it could make sources that share a slot of the drop cache. */
const volatile __u64 drop_cache_factor = 0x9e3779b97f4a7c15;

/* Stages that run. Parsing and counting always do. For measuring what each costs. */
const volatile bool drop_cache_enabled = true;
const volatile bool acl_enabled = true;
const volatile bool verdict_enabled = true;
const volatile bool guard_enabled = true;
const volatile bool limit_enabled = true;
const volatile bool vip_enabled = true;
const volatile bool response_enabled = true;
const volatile bool nat_enabled = true;

/*
 * Tests: read test_now_ns instead of the clock, and take random numbers of a series. Variables have
 * initial values, so that they are where they were written down: without, they are in the order of their
 * first use, and a program that explains would read others (bpf/explain.h).
 */
const volatile bool clock_injected = false;
__u64 test_now_ns = 0;
__u64 test_random = 0; /* random.h */
