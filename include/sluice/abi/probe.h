/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Health checks by the way of their vip's packets: a probe's socket has this mark with the backend's id
 * in it, a rule sends what is so marked to a table of its own, and the one route there to bpf/lwt_probe.
 */
#pragma once

#define PROBE_MARK	0x51c00000U
#define PROBE_MARK_MASK 0xfff00000U /* the rest has the backend's id: 2^20 of them */

/* `ip rule show`, `ip route show table 1308`: the rule's preference is the same. */
#define PROBE_TABLE 1308
/* Every packet of a probe fits into this, and with outer headers to every backend (RFC 8200 s5). */
#define PROBE_MTU 1280
