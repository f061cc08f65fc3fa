/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The layout number, and the assertion that keeps a struct at its size. */
#pragma once

/*
 * Of maps `layout` and `layout_maps` alone (abi/layout.h): raised when their structs change, and then all
 * maps are made anew. What is in the others the loader knows from the types that the programs were
 * compiled with, map by map. A member that is added, moved or removed needs no number: its map is copied
 * member by member, what is new begins as zero. A member that is renamed, or means something else than
 * before, or whose zero is wrong, needs one more in user/dataplane/layout_table.c: that map, and what
 * refers to it, is made anew then, and what it knew is forgotten.
 */
#define ABI_LAYOUT 8

/*
 * An enum of one byte where its values fit: a field of it takes what a __u8 would, and has names in
 * the BTF, which `bpftool map dump` prints. Keys of arrays stay numbers: the kernel wants an integer.
 */
#define ABI_BYTE __attribute__((packed))

#define ABI_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), "ABI: " #type)
