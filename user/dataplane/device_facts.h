/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel says of a device and of itself, for diagnose.h to judge. Reading changes nothing. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct device_facts {
	char driver[32]; /* "": it does not say */
	char bus[32];
	uint32_t mtu;		     /* 0: not known */
	uint32_t queues, queues_max; /* of reception; 0: it does not say */
	bool lro, gro_hw, rxvlan;
	char port_of[16], port_kind[16]; /* "bond0" and "bond"; "": of nothing */
	bool takes_known, takes;	 /* what native XDP redirects to it */
	int rp_filter;			 /* in force: 0 off, 1 strict, 2 loose */
	bool is_way_out;		 /* the way to addresses of the internet leaves by it */
	uint32_t irqs, irq_cpus;	 /* see irq_spread.h */
};

struct host_facts {
	uint32_t cpus;
	bool jit;
	bool frags; /* XDP programs take frames of several buffers (5.18) */
	uint32_t conntrack,
		conntrack_max; /* connections that the kernel tracks here; max 0: none */
};

/* proc_fd: a folder as /proc. What cannot be known is zero: nothing is said of it. */
void device_facts_read(int proc_fd, const char *device, struct device_facts *ret);
/* frags is the caller's. */
void host_facts_read(int proc_fd, struct host_facts *ret);
/* Of a device: the kernel takes the stricter of its own and that of all. */
int device_facts_rp_filter(int proc_fd, const char *device);
bool device_facts_is_way_out(const char *device);
