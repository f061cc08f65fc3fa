/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Map `vip_before`: rings of before a change of their size, for as long as the window of that change
 * is open (abi/vip_flow.h). Each takes 8 bytes a slot, and only then.
 */
#pragma once

#include <stdint.h>

#include "sluice/abi/vip_flow.h"

struct dataplane;

/* Whose a flow was that had this slot, a word of map vip_ring: an id, or VIP_BEFORE_NONE. */
static inline uint32_t vip_before_id(uint64_t slot_word)
{
	const uint32_t before = VIP_SLOT_BEFORE(slot_word), is = VIP_SLOT_BACKEND(slot_word);

	if (before && before != VIP_BEFORE_OVER)
		return before;
	return is ? is : VIP_BEFORE_NONE;
}

/*
 * The vip's ring of before had n slots, which are copied. Before a slot that says VIP_BEFORE_RING can be
 * found. Negative errno: packets find nothing there.
 */
int vip_before_put(struct dataplane *dp, uint32_t vip_id, const struct vip_before *slots,
		   uint32_t n);
/* No slot says so any more. */
void vip_before_forget(struct dataplane *dp, uint32_t vip_id);
