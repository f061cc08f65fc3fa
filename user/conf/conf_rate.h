/* SPDX-License-Identifier: BSD-2-Clause */
/* What the rest of this folder needs of rates beyond conf.h. */
#pragma once

#include <stdbool.h>

#include "conf.h"

/*
 * What a packet of 64 KiB can weigh that GRO merged or the device is to cut (TSO), on the wire: with
 * 66 bytes of headers for each 536 of it. A smaller burst would never admit one.
 */
#define CONF_RATE_MERGED_BYTES 73728
/* The least burst in bytes that the file may ask for: one full Ethernet frame. */
#define CONF_RATE_FRAME_BYTES 1514

/* Where no burst was given: one second of the rate, at least one unit or one large packet. */
void conf_rate_default_burst(struct conf_rate *rate, bool bytes);
