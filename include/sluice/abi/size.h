/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The layout number of all pinned maps, and the assertion that keeps a struct at its size. */
#pragma once

/* Raised when any struct under abi/ changes; the loader builds new maps for another number. */
#define ABI_LAYOUT 2

#define ABI_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), "ABI: " #type)
