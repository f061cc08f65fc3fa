/* SPDX-License-Identifier: BSD-2-Clause */
/* One device: which way to attach, and what to remove when it is not wanted any more. */
#pragma once

#include <stdbool.h>

struct dataplane;
struct device;
struct libxdp_way;

/* Attach d as d->want says; d->state tells what came of it. 0 or negative errno (state.error). */
int device_attach(struct dataplane *dp, struct device *d);
/* What goes out of it, where it is attached. 0 or negative errno (state.error). */
int device_attach_egress(struct dataplane *dp, struct device *d);
void device_detach_egress(struct dataplane *dp, struct device *d);
/* Was what we attached taken off behind our back, by `ip link` or `bpftool`? Then it is forgotten. */
bool device_lost(struct device *d);
/* Remove whatever a pin of this directory says is attached: 1 when name was such a pin. */
int device_detach_pin(int dir_fd, const struct libxdp_way *way, const char *name);
/* The device that a pin attaches; false when it is no such pin. */
bool device_of_pin(const char *name, char ret[16]);
