/* SPDX-License-Identifier: BSD-2-Clause */
/* How large maps are: which settings say so, and what they take. */
#pragma once

#include "../conf/conf_settings_kernel.h"
#include "pinned_map.h"

/* Entries of a map whose size is configured; 0: it keeps what it is compiled with. */
uint32_t map_size_configured(const struct conf_dataplane *conf, const char *map);
/* What to lower for a smaller one: "dataplane.max_clients"; NULL: nothing makes it smaller. */
const char *map_size_setting(const char *map);
/* Bytes of kernel memory that a map of this shape takes, about, when it is full. */
uint64_t map_size_bytes(const struct map_shape *shape);
