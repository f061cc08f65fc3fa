/* SPDX-License-Identifier: BSD-2-Clause */
/* The sources of vary.bpf.c, so that who fills the maps has the same. */
#pragma once

#include <linux/types.h>

/* The i-th source, host order: all of them differ, none is near the one before. */
static inline __u32 vary_source(__u32 i)
{
	i *= 0x9e3779b1U;
	i ^= i >> 15;
	return i * 0x85ebca6bU;
}
