/* SPDX-License-Identifier: BSD-2-Clause */
/* The network that packets come from: a namespace of its own, with listeners. */
#pragma once

#include "world.h"

struct lane_net {
	int listener[MODEL_LISTENERS];
};

/*
 * The calling process is in it from now on: threads that it starts, too. Its loopback device has
 * world_host's addresses and is the way to everywhere else, so that a packet to another address is
 * on its way through.
 */
void lane_net_open(struct lane_net *ret);
void lane_net_close(struct lane_net *n);
