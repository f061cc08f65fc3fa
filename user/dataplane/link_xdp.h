/* SPDX-License-Identifier: BSD-2-Clause */
/* XDP by a pinned bpf_link. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/errmsg.h"

struct dataplane;
struct device;

/* What is on a device; *ret_mode_native may be NULL. */
int link_xdp_query(uint32_t ifindex, uint32_t *ret_prog_id, bool *ret_native);
/* "program 17 (xdp_filter)", for messages; the name takes CAP_SYS_ADMIN. */
const char *link_xdp_program_text(uint32_t prog_id, char ret[64]);

/*
 * Adopt the pinned link of d, or make and pin one: native first where d wants auto.
 * -EBUSY and *err: the device has another's program.
 */
int link_xdp_attach(struct dataplane *dp, struct device *d, struct errmsg *err);
