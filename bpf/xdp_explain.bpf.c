/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* xdp_ingress as it tells what a packet would meet, and changes nothing: explain.h. Never attached. */
#define EXPLAINS
#include "xdp_ingress.bpf.c"
