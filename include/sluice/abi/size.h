/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The layout number of all pinned maps, and the assertion that keeps a struct at its size. */
#pragma once

/* Raised when any struct under abi/ changes; the loader builds new maps for another number. */
#define ABI_LAYOUT 7

/*
 * An enum of one byte where its values fit: a field of it takes what a __u8 would, and has names in
 * the BTF, which `bpftool map dump` prints. Keys of arrays stay numbers: the kernel wants an integer.
 */
#define ABI_BYTE __attribute__((packed))

#define ABI_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), "ABI: " #type)
