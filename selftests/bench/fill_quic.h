/* SPDX-License-Identifier: BSD-2-Clause */
/* Connection ids of QUIC, of the packets that frame.c makes: one vip's, in plain text and encrypted. */
#pragma once

#include <stdint.h>

#include <bpf/libbpf.h>

/* The same server id of each kind is this backend's. */
void fill_quic(struct bpf_object *obj, uint32_t vip_id, uint32_t backend);
