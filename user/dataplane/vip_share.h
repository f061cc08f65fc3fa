/* SPDX-License-Identifier: BSD-2-Clause */
/* What backends were sent since their ring is in force, to be held against their weights. */
#pragma once

#include <stdint.h>

struct vip_map;
struct vip_service;

/* Begin anew where another ring came in force; what is sent until this call counts as before it. */
void vip_share_follow(struct vip_map *m, struct vip_service *s, uint64_t now_ms);
