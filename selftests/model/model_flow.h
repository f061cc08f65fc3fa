/* SPDX-License-Identifier: BSD-2-Clause */
/* Flows that are noted while a vip's ring changes: docs/feature/vip.md, "Changes". */
#pragma once

#include <stdint.h>

#include "sluice/abi/vip_flow.h"

#define MODEL_FLOWS 512 /* of all vips */

struct model_flow {
	struct flow_key key;
	struct vip_flow note;
};

struct model_flow_state {
	struct model_flow flow[MODEL_FLOWS];
	uint32_t n_flow;
};
