/* SPDX-License-Identifier: BSD-2-Clause */
/* Map quic_keys: ciphers of encrypted connection ids. The kernel has them; nobody reads a key back. */
#pragma once

#include <stdbool.h>

#include "base/errmsg.h"

struct conf;
struct dataplane;
struct pinned_map;
struct vip_map;

/*
 * Can programs of this kernel decrypt? Tried once a process, by loading one that does. false and *why,
 * which names the kernel and what it would take.
 */
bool quic_key_kernel_has(struct errmsg *why);
/*
 * Before anything of conf is applied: -EOPNOTSUPP and *err, which names the vip, the kernel and the
 * remedy, where a vip has a key and this kernel has no cipher for it. 0 without keys, at no cost.
 */
int quic_key_check(struct dataplane *dp, const struct conf *conf, struct errmsg *err);
/* Make the ciphers of conf's vips, which are m's services; each replaces the one before at once. */
int quic_key_apply(struct vip_map *m, const struct conf *conf);
/* Give up those that no service has any more, once map quic says so. */
int quic_key_sweep(struct vip_map *m);
/* Of a map that replaces another: the ciphers of vips that map quic of before has. */
int quic_key_copy(struct dataplane *dp, const struct pinned_map *m);
void quic_key_close(struct dataplane *dp);
