/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which vip takes what, as records of the kernel's trie (abi/vip.h). Pure. The longest prefix wins;
 * within one prefix a port before a range before all ports. What a listener of ours is bound to stays
 * with it: no vip of more than one address or port takes it.
 */
#pragma once

#include "conf.h"
#include "sluice/abi/vip.h"

struct vip_wide_entry {
	struct vip_wide_key key;
	struct vip_wide record;
};

struct vip_compiled {
	struct vip_wide_entry *entry; /* of a protocol, a prefix is behind those around it */
	size_t n;
	bool has_wide;
};

enum vip_fault_kind {
	VIP_FAULT_SAME,	 /* both have a port, and neither is more specific */
	VIP_FAULT_SPANS, /* more than VIP_SPANS_MAX meet in a prefix */
};

/* Places in conf->vips; other: of SAME, and before vip. */
struct vip_fault {
	enum vip_fault_kind kind;
	size_t vip, other;
};

/*
 * 0 with *ret, to be cleared; -ENOMEM; -EINVAL after on_fault was called for each fault. Vips for which
 * skip (may be NULL) is true are left out.
 */
int vip_compile(const struct conf *conf, const bool *skip, struct vip_compiled *ret,
		void (*on_fault)(const struct vip_fault *fault, void *ctx), void *ctx);
void vip_compiled_clear(struct vip_compiled *c);
