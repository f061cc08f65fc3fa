/* SPDX-License-Identifier: BSD-2-Clause */
/* The program of sk_lookup at this network namespace, by a pinned link. */
#pragma once

#include <stdbool.h>

#include "base/errmsg.h"

struct dataplane;

/* Fill dp->steer_why where the kernel has not what it needs. */
void steer_link_probe(struct dataplane *dp);
/* Is a link pinned that is at this namespace? */
bool steer_link_is_on(const struct dataplane *dp);
/* Attach unless it is. What is pinned of another namespace, or was taken off, is replaced. */
int steer_link_attach(struct dataplane *dp);
void steer_link_detach(int dir_fd);
/* Have the pinned link, if there is one, run this program; -1: nothing. */
int steer_link_flip(struct dataplane *dp, int prog_fd, struct errmsg *err);
/* Have it run the program that is pinned, after a flip whose other half failed. */
void steer_link_flip_back(struct dataplane *dp);
