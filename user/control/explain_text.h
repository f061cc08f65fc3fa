/* SPDX-License-Identifier: BSD-2-Clause */
/* What an explained packet met, in words: one line a stage. */
#pragma once

#include "dataplane/explain.h"
#include "dataplane/vip_map.h"

#define EXPLAIN_TEXT_MAX 400

/* What the numbers of a trace stand for; vip and backend NULL where there is none. */
struct explain_view {
	struct dataplane *dp;
	const struct explain_trace *trace;
	const struct conf_vip *vip;
	const struct vip_backend_state *backend;
	const char *egress; /* device that it leaves by; "" */
	const char *packet; /* as it came, and as it leaves: explain_frame_text */
	const char *sent;
	const char *link; /* hardware addresses that it leaves with */
};

/* "parse", "acl"…; of a stage and of how it ended. */
const char *explain_stage_name(enum explain_stage stage);
const char *explain_result_name(enum explain_result result);
const char *explain_reason_name(const struct explain_trace *t);
/* Mode nat: the packet's flow has its backend, and the ring was not asked. */
bool explain_by_flow(const struct explain_trace *t);
/* What the stage found and what it decides. */
void explain_stage_text(const struct explain_view *v, enum explain_stage stage,
			char ret[EXPLAIN_TEXT_MAX]);
