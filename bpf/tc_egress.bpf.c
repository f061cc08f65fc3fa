/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The packet path at TC egress: what clients are sent. In front of segmentation, so a packet may be
 * many; the host's own TCP is told of a drop at once, and slows down.
 */
#include "pipeline.h"
#include "stage/parse.h"
#include "stage/parse_l4.h"
#include "stage/parse_tc.h"
#include "stage/vip.h"
#include "stage/egress.h"
#include "stage/response.h"
#include "stage/acl.h"
#include "stage/limit_egress.h"
#include "obs/stats.h"
#include "obs/event.h"
#include "obs/top.h"
#include "obs/exit_egress.h"

SEC("tc")
int tc_egress(struct __sk_buff *ctx)
{
	enum stage_result result;
	struct pkt p = {};

	result = tc_parse(ctx, &p);
	p.ctx = ctx;
	p.vip = NULL;
	result = stage_egress_begin(&p, result);
	if (result == STAGE_NEXT)
		result = stage_vip_find(&p);
	if (result == STAGE_NEXT)
		result = stage_egress_turn(&p);
	if (result == STAGE_NEXT)
		result = stage_response_egress(&p);
	if (result == STAGE_NEXT)
		result = stage_acl_egress(&p);
	if (result == STAGE_NEXT)
		result = stage_limit_egress(&p);
	if (result == STAGE_NEXT)
		result = stage_egress_mark(&p);
	egress_end(&p);
	obs_exit_egress(&p, result);
	return result == STAGE_DROP ? TC_DROP : TC_NEXT;
}

char _license[] SEC("license") = "Dual BSD/GPL";
