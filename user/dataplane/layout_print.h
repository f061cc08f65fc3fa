/* SPDX-License-Identifier: BSD-2-Clause */
/* What the keys and values of a map are made of, as the programs were compiled. */
#pragma once

#include "sluice/abi/layout.h"

struct bpf_map;
struct btf;

/* version is 0: whose map it is knows it. Without a type the hash is 0. */
void layout_print(const struct btf *btf, const struct bpf_map *m, struct layout_map *ret);
