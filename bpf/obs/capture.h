/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The first bytes of dropped packets, while somebody captures; a drop pays for one load else. It is
 * called by the entries, behind the exit, since a packet's memory is reached through their argument.
 */
#pragma once

#include "../pipeline.h"
#include "sluice/abi/capture.h"
#include "top.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct capture);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} capture SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 512 * 1024);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} capture_ring SEC(".maps");

#define CAPTURE_TRIES 2

/* When the last one ends, or ended if nobody stopped it; 0: there is none. */
static __always_inline __u64 capture_until_ns(void)
{
	__u32 zero = 0;
	struct capture *c = bpf_map_lookup_elem(&capture, &zero);

	return c ? *(volatile __u64 *)&c->until_ns : 0;
}

static __always_inline bool capture_runs(void)
{
	return capture_until_ns() != 0;
}

static __always_inline bool capture_admit(struct pkt_facts *p, struct capture *c)
{
	__u32 reason = p->reason & (EVENT_REASONS - 1);

	if (pkt_now(p) >= c->until_ns || !(c->reasons >> reason & 1))
		return false;
	if (gcra_spend(&c->tat[reason], &c->rate, gcra_now_fp(pkt_now(p)), 1, CAPTURE_TRIES) ==
	    GCRA_ADMIT)
		return true;
	__sync_fetch_and_add(&c->missed, 1);
	return false;
}

/* What can be read directly, 8 bytes at a time and then the rest, at most CAPTURE_BYTES. */
static __always_inline __u32 capture_copy(__u8 *to, void *data, void *end)
{
	__u32 i, n = 0;

#pragma unroll
	for (i = 0; i < CAPTURE_BYTES / 8; i++) {
		if (data + 8 > end)
			break;
		*(__u64 *)(to + i * 8) = *(__u64 *)data;
		data += 8;
		n += 8;
	}
#pragma unroll
	for (i = 0; i < 7; i++) {
		if (n >= CAPTURE_BYTES || data + 1 > end)
			break;
		to[n & (CAPTURE_BYTES - 1)] = *(__u8 *)data;
		data += 1;
		n++;
	}
	return n;
}

/* NULL, or a record to fill and submit. */
static __always_inline struct capture_packet *capture_begin(struct pkt_facts *p)
{
	__u32 zero = 0;
	struct capture *c = bpf_map_lookup_elem(&capture, &zero);
	struct capture_packet *e;

	if (!c || !capture_admit(p, c))
		return NULL;
	e = bpf_ringbuf_reserve(&capture_ring, sizeof(*e), 0);
	if (!e) {
		__sync_fetch_and_add(&c->missed, 1);
		return NULL;
	}
	e->time_ns = pkt_now(p);
	e->reason = p->reason;
	e->limit_class = top_class(p);
	e->vip_id = p->vip_id;
	e->ifindex = p->ifindex;
	e->frame_bytes = p->frame_bytes;
	e->tag_proto = 0;
	e->tag_tci = 0;
	e->pad = 0;
	return e;
}
