/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The packet path at TC ingress, for devices without XDP in the driver: behind GRO, so a packet may
 * be many, and its VLAN tag may be beside it instead of in it.
 */
#include "pipeline.h"
#include "explain.h"
#include "lib/frame_tc.h"
#include "stage/parse.h"
#include "stage/parse_l4.h"
#include "stage/parse_tc.h"
#include "stage/acl.h"
#include "stage/verdict.h"
#include "stage/guard.h"
#include "stage/limit.h"
#include "stage/response.h"
#include "stage/vip.h"
#include "stage/vip_echo.h"
#include "stage/quic.h"
#include "stage/mtu.h"
#include "stage/mss.h"
#include "stage/path_mtu.h"
#include "stage/encap.h"
#include "stage/nat.h"
#include "stage/forward.h"
#include "obs/stats.h"
#include "obs/event.h"
#include "obs/top.h"
#include "obs/exit.h"
#include "obs/capture.h"
#include "drop_path.h"

static __always_inline int tc_end(const struct pkt *p, enum stage_result result)
{
	if (result == STAGE_DROP)
		return TC_DROP;
	if (result == STAGE_REPLY)
		return bpf_redirect(p->ifindex, 0);
	return result == STAGE_TX ? bpf_redirect(p->egress_ifindex, 0) : TC_NEXT;
}

__noinline int tc_capture(struct __sk_buff *ctx, struct pkt_facts *p)
{
	struct capture_packet *e;

	if (!p) /* never; a global function's argument may be, for the verifier */
		return 0;
	e = capture_begin(p);
	if (!e)
		return 0;
	if (ctx->vlan_present) {
		e->tag_proto = bpf_ntohs(ctx->vlan_proto);
		e->tag_tci = ctx->vlan_tci;
	}
	e->bytes = capture_copy(e->data, (void *)(long)ctx->data, (void *)(long)ctx->data_end);
	bpf_ringbuf_submit(e, 0);
	return 0;
}

/* What was merged, or has its tag beside it, goes the whole way. */
static __always_inline bool tc_drop_path(struct __sk_buff *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	if (ctx->vlan_present || ctx->gso_size || ctx->gso_segs > 1)
		return false;
	return drop_path_takes(data, end, ctx->len);
}

SEC("tc")
int tc_ingress(struct __sk_buff *ctx)
{
	enum stage_result result;
	struct pkt p;

	if (!explaining && drop_cache_enabled && tc_drop_path(ctx))
		return TC_DROP;
	p = (struct pkt) {};
	result = explained(EXPLAIN_PARSE, tc_parse(ctx, &p));
	drop_cache_begin(&p);
	p.data = (void *)(long)ctx->data;
	p.end = (void *)(long)ctx->data_end;
	p.ctx = ctx;
	p.vip = NULL;
	p.backend = NULL;
	if (result == STAGE_NEXT)
		result = explained(EXPLAIN_ACL, stage_acl(&p));
	if (result == STAGE_NEXT)
		result = explained(EXPLAIN_VERDICT, stage_verdict(&p));
	if (result == STAGE_NEXT)
		result = explained(EXPLAIN_NAT_BACK, stage_nat_back(&p));
	if (result == STAGE_NEXT)
		result = explained(EXPLAIN_VIP_FIND, stage_vip_find(&p));
	if (result == STAGE_NEXT)
		result = explained(EXPLAIN_GUARD, stage_guard(&p));
	if (result == STAGE_NEXT)
		result = explained(EXPLAIN_LIMIT, stage_limit(&p));
	if (result == STAGE_NEXT)
		result = explained(EXPLAIN_RESPONSE, stage_response(&p));
	if (result == STAGE_NEXT)
		result = explained(EXPLAIN_ECHO, stage_vip_echo(&p));
	if (result == STAGE_NEXT)
		result = explained(EXPLAIN_NAT_FIND, stage_nat_find(&p));
	if (result == STAGE_NEXT)
		result = explained(EXPLAIN_QUIC, stage_quic(&p));
	if (result == STAGE_NEXT)
		result = explained(EXPLAIN_VIP, stage_vip(&p));
	if (result == STAGE_NEXT)
		result = explained(EXPLAIN_MTU, stage_mtu(&p));
	if (result == STAGE_NEXT)
		result = explained(EXPLAIN_MSS, stage_mss(&p));
	if (result == STAGE_NEXT)
		result = explained(EXPLAIN_NAT, stage_nat(&p));
	if (result == STAGE_NEXT)
		result = explained(EXPLAIN_ENCAP, stage_encap(&p));
	if (result == STAGE_NEXT)
		result = explained(EXPLAIN_FORWARD, stage_forward(&p));
	if (explaining) {
		explain_exit(&p.facts, result);
		return tc_end(&p, result);
	}
	if (result == STAGE_PASS && path_mtu_may_hear(&p.facts))
		path_mtu_hear(ctx, &p.facts);
	obs_exit(&p, result);
	if (result == STAGE_DROP && capture_runs())
		tc_capture(ctx, &p.facts);
	if (result == STAGE_DROP && drop_cache_enabled && drop_path_may_keep(&p.facts))
		drop_path_keep(&p.facts);
	return tc_end(&p, result);
}

char _license[] SEC("license") = "Dual BSD/GPL";
