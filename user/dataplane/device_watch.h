/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices that come and go, by rtnetlink. */
#pragma once

struct dataplane;
struct device_watch;
struct loop;

int device_watch_open(struct dataplane *dp, struct loop *loop, struct device_watch **ret);
void device_watch_close(struct device_watch *w);
