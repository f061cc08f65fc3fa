/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The packet path at the driver. The same stages run in tc_ingress.bpf.c. */
#include "pipeline.h"
#include "explain.h"
#include "lib/frame_xdp.h"
#include "stage/parse.h"
#include "stage/parse_l4.h"
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

__noinline int xdp_parse(struct xdp_md *ctx, struct pkt *p, __u32 frame_bytes)
{
	if (!p) /* never; a global function's argument may be, for the verifier */
		return STAGE_PASS;
	p->frame_bytes = frame_bytes;
	p->packets = 1;
	p->ifindex = ctx->ingress_ifindex;
	return stage_parse(p, (void *)(long)ctx->data, (void *)(long)ctx->data_end);
}

/*
 * Asking for the length of all buffers costs a tenth of the path, so only a packet that is longer
 * than the first one is worth it. What a frame carries behind its packet in others is not counted.
 */
static __always_inline enum stage_result xdp_begin(struct xdp_md *ctx, struct pkt *p)
{
	__u32 first_bytes = ctx->data_end - ctx->data, all_bytes;
	enum stage_result result = xdp_parse(ctx, p, first_bytes);

	if (!xdp_frags || p->reason != DROP_MALFORMED)
		return result;
	all_bytes = bpf_xdp_get_buff_len(ctx);
	if (all_bytes == first_bytes)
		return result;
	*p = (struct pkt) {};
	return xdp_parse(ctx, p, all_bytes);
}

static __always_inline int xdp_end(const struct pkt *p, enum stage_result result)
{
	if (result == STAGE_DROP)
		return XDP_DROP;
	if (result == STAGE_REPLY)
		return XDP_TX;
	if (result != STAGE_TX)
		return XDP_PASS;
	return p->egress_ifindex == p->ifindex ? XDP_TX : bpf_redirect(p->egress_ifindex, 0);
}

__noinline int xdp_capture(struct xdp_md *ctx, struct pkt_facts *p)
{
	struct capture_packet *e;

	if (!p) /* never; a global function's argument may be, for the verifier */
		return 0;
	e = capture_begin(p);
	if (!e)
		return 0;
	e->bytes = capture_copy(e->data, (void *)(long)ctx->data, (void *)(long)ctx->data_end);
	bpf_ringbuf_submit(e, 0);
	return 0;
}

static __always_inline bool xdp_drop_path(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	return drop_path_takes(data, end, end - data);
}

SEC("xdp.frags")
int xdp_ingress(struct xdp_md *ctx)
{
	enum stage_result result;
	struct pkt p;

	if (!explaining && drop_cache_enabled && xdp_drop_path(ctx))
		return XDP_DROP;
	p = (struct pkt) {};
	result = explained(EXPLAIN_PARSE, xdp_begin(ctx, &p));
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
		return xdp_end(&p, result);
	}
	if (result == STAGE_PASS && path_mtu_may_hear(&p.facts))
		path_mtu_hear(ctx, &p.facts);
	obs_exit(&p, result);
	if (result == STAGE_DROP && capture_runs())
		xdp_capture(ctx, &p.facts);
	if (result == STAGE_DROP && drop_cache_enabled && drop_path_may_keep(&p.facts))
		drop_path_keep(&p.facts);
	return xdp_end(&p, result);
}

char _license[] SEC("license") = "Dual BSD/GPL";
