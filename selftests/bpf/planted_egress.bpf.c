// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The program of the way out with a bug that is chosen when it is loaded, as planted.bpf.c. */
#include "pipeline.h"
#include "stage/parse.h"
#include "stage/parse_l4.h"
#include "stage/egress.h"
#include "stage/response.h"
#include "stage/acl.h"

/* From PLANE_PLANTED_EGRESS on */
const volatile __u32 planted = 0;

static __always_inline enum stage_result planted_response(struct pkt *p)
{
	/* 20: fragments have no ports, so they are no answers. */
	if (planted == 20 && (p->flags & PKT_FRAGMENT))
		return STAGE_NEXT;
	return stage_response_egress(p);
}

static __always_inline enum stage_result planted_acl(struct pkt *p)
{
	/* 21: whoever is near his limit is told so, whether he understands it or not. */
	if (planted == 21)
		p->flags |= PKT_ECT;
	return stage_acl_egress(p);
}

#define stage_response_egress planted_response
#define stage_acl_egress      planted_acl
#include "../../bpf/tc_egress.bpf.c"
