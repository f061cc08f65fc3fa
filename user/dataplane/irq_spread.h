/* SPDX-License-Identifier: BSD-2-Clause */
/* Over how many CPUs the interrupts of a device's receive queues are spread, as /proc says. */
#pragma once

#include <stdint.h>

struct irq_spread {
	uint32_t irqs; /* 0: none was found by the device's name or bus address */
	uint32_t cpus; /* that take them */
};

/*
 *   proc_fd  a folder as /proc
 *   device   "eth0"
 *   bus      "0000:00:03.0", as ethtool says; "": none
 * 0 or negative errno.
 */
int irq_spread_read(int proc_fd, const char *device, const char *bus, struct irq_spread *ret);
