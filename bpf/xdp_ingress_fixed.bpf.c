/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * xdp_ingress for the dispatcher of a libxdp whose places in it only look at packets (1.3): since 6.13,
 * and in later 6.12, the kernel refuses a program there that moves where a frame begins or ends.
 * What would be put into another packet is dropped and counted as such; all else is the same.
 */
#define FRAME_FIXED
#include "xdp_ingress.bpf.c"
