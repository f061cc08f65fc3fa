// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The XDP program with a bug that is chosen when it is loaded: what the fuzzer of selftests/model
 * has to find. Each is one that others shipped, or nearly.
 */
#include "pipeline.h"
#include "lib/frame_xdp.h"
#include "stage/parse.h"
#include "stage/acl.h"
#include "stage/verdict.h"
#include "stage/guard.h"
#include "stage/limit.h"
#include "stage/vip.h"

/* enum plane_planted of plane.h */
const volatile __u32 planted = 0;

static __always_inline __sum16 planted_csum(__sum16 check, __be16 was, __be16 is)
{
	/* 10: an echo's type is 8 and an answer's is 0, so its checksum is 8 more. */
	if (planted == 10)
		return bpf_htons(bpf_ntohs(check) + bpf_ntohs(was) - bpf_ntohs(is));
	return csum_replace_16(check, was, is);
}

/* 12: a UDP checksum of 0 is translated as any other is. */
static __always_inline long planted_adjust_l4(FRAME_CONTEXT *ctx, __u32 at, __u64 addresses,
					      __u64 ports, bool udp)
{
	return frame_adjust_l4(ctx, at, addresses, ports, udp && planted != 12);
}

#define csum_replace_16 planted_csum
#include "stage/vip_echo.h"
#undef csum_replace_16
#define frame_adjust_l4 planted_adjust_l4
#include "stage/nat_rewrite.h"
#undef frame_adjust_l4

#include "stage/nat_would.h"

/* 16: what two CPUs count at once is counted once. It dawdles, so that they meet more often. */
static __always_inline __u32 planted_add(__u32 *at, __u32 n)
{
	__u32 was, i;

	if (planted != 16)
		return __sync_fetch_and_add(at, n);
	was = *(volatile __u32 *)at;
	for (i = 0; i < 100; i++)
		barrier();
	*(volatile __u32 *)at = was + n;
	return was;
}

#define __sync_fetch_and_add planted_add
#include "stage/nat_open.h"
#undef __sync_fetch_and_add

#include "stage/quic_decrypt.h"

/* 13: all configurations of a vip have the key of its first. */
static __always_inline int planted_decrypt(FRAME_CONTEXT *ctx, struct quic_cid *cid,
					   struct quic_server *ret)
{
	if (planted == 13)
		cid->key = cid->key / QUIC_CONFIGS * QUIC_CONFIGS;
	return quic_decrypt(ctx, cid, ret);
}

#define quic_decrypt planted_decrypt
#include "stage/quic.h"
#undef quic_decrypt

#include "stage/mtu.h"
#include "stage/encap.h"
#include "stage/forward.h"
#include "drop_path.h"

static __always_inline enum stage_result planted_acl(struct pkt *p)
{
	/* 1: what has no ports, as later fragments, is asked of no list. */
	if (planted == 1 && (p->flags & PKT_FRAGMENT) && !p->flow.sport && !p->flow.dport)
		return STAGE_NEXT;
	/* 2: VLAN tags are not counted. */
	if (planted == 2)
		p->wire_bytes -= p->l2_bytes - sizeof(struct ethhdr);
	return stage_acl(p);
}

static __always_inline enum stage_result planted_guard(struct pkt *p)
{
	/* 7: an acknowledgement that brings data is from somebody who is connected, isn't he? */
	if (planted == 7 && (p->flags & PKT_ACK) && guard_until_ns &&
	    p->header_bytes < p->l2_bytes + p->l3_bytes)
		guard_prove(&p->facts);
	return stage_guard(p);
}

static __always_inline enum stage_result planted_limit(struct pkt *p)
{
	/* 3: an IPv6 source is its address instead of its /64. */
	if (planted == 3 && (p->flags & PKT_IPV6))
		p->source.w[1] ^= p->source.w[3];
	/* 4: the clock has microseconds; what a refill leaves below is lost. */
	if (planted == 4)
		p->now_ns = pkt_now(&p->facts) / 1000 * 1000;
	return stage_limit(p);
}

static __always_inline enum stage_result planted_vip(struct pkt *p)
{
	/* 5: first fragments are hashed with their ports. */
	if (planted == 5)
		p->flags &= ~PKT_FRAGMENT;
	return stage_vip(p);
}

static __always_inline enum stage_result planted_mtu(struct pkt *p)
{
	/* 6: the MTU is compared with the frame. */
	if (planted == 6)
		p->l3_bytes += p->l2_bytes;
	/* 11: fragments that are too big are answered as all else. */
	if (planted == 11 && p->backend && p->l3_bytes > p->backend->mtu)
		p->flags &= ~PKT_FRAGMENT;
	return stage_mtu(p);
}

static __always_inline bool planted_drop_path(void *data, void *end, __u32 bytes)
{
	struct iphdr *ip = data + sizeof(struct ethhdr);
	struct drop_cache_entry *e;

	if ((planted != 8 && planted != 9) || (void *)(ip + 1) > end)
		return drop_path_takes(data, end, bytes);
	e = drop_cache_slot((__u64)bpf_htonl(0xffff) << 32 | ip->saddr);
	/* 8: what a source's last packet met is believed whatever has changed since. */
	if (planted == 8 && e)
		e->generation = drop_cache_generation();
	/* 9: it is believed for as long as nothing changes, whatever ends by itself. */
	if (planted == 9 && e && e->until_ns)
		e->until_ns = ~0ULL;
	return drop_path_takes(data, end, bytes);
}

#define stage_acl	planted_acl
#define stage_guard	planted_guard
#define stage_limit	planted_limit
#define stage_vip	planted_vip
#define stage_mtu	planted_mtu
#define drop_path_takes planted_drop_path
#include "../../bpf/xdp_ingress.bpf.c"
