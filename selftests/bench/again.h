/* SPDX-License-Identifier: BSD-2-Clause */
/* How much of a packet again.bpf.c writes. */
#pragma once

#define AGAIN_WORDS 10 /* of 8 bytes */
