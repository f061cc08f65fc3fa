/* SPDX-License-Identifier: BSD-2-Clause */
/* What the rest of this folder needs of rates beyond conf.h. */
#pragma once

#include <stdbool.h>

#include "conf.h"

/* What a GRO packet on TC can weigh: a smaller burst would never admit one. */
#define CONF_RATE_BYTES_BURST_MIN 65536
/* The least burst in bytes that the file may ask for: one full Ethernet frame. */
#define CONF_RATE_FRAME_BYTES 1514

/* Where no burst was given: one second of the rate, at least one unit or one large packet. */
void conf_rate_default_burst(struct conf_rate *rate, bool bytes);
