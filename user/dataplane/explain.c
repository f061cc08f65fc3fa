/* SPDX-License-Identifier: BSD-2-Clause */
#include "explain.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "dataplane_state.h"
#include "program.h"

#define EXPLAIN_TAG_BYTES 4

struct explain {
	struct dataplane *dp;
	struct bpf_object *obj[2]; /* of XDP and TC; NULL: not loaded */
	struct timer idle;
	uint64_t second; /* in which `asked` counts */
	uint32_t asked;
};

void explain_stop(struct dataplane *dp)
{
	struct explain *x = dp->explain;

	if (!x)
		return;
	timer_stop(&x->idle);
	bpf_object__close(x->obj[0]); /* NULL is fine */
	bpf_object__close(x->obj[1]);
	free(x);
	dp->explain = NULL;
}

static void on_idle(struct timer *t)
{
	explain_stop(container_of(t, struct explain, idle)->dp);
}

static int begin(struct dataplane *dp, struct errmsg *err)
{
	uint64_t second = clock_now_ns() / NS_PER_S;

	if (!dp->explain) {
		dp->explain = calloc(1, sizeof(*dp->explain));
		if (!dp->explain)
			return -ENOMEM;
		dp->explain->dp = dp;
		dp->explain->idle.on_due = on_idle;
	}
	if (dp->explain->second != second) {
		dp->explain->second = second;
		dp->explain->asked = 0;
	}
	if (++dp->explain->asked > EXPLAIN_PER_S)
		return errmsg_set(err, -EBUSY, "more than %d packets are being explained a second",
				  EXPLAIN_PER_S);
	return 0;
}

/*
 * At TC the outermost VLAN tag is beside the frame (kernel: skb_vlan_untag), where outer headers do not meet
 * it. BPF_PROG_TEST_RUN takes none there: it is taken off before, and put back behind.
 */
static bool has_tag(const struct explain_question *q)
{
	uint16_t type;

	if (q->device->hook != CONF_HOOK_TC || q->bytes < ETHER_HDR_LEN + EXPLAIN_TAG_BYTES)
		return false;
	memcpy(&type, (const uint8_t *)q->frame + 2 * ETHER_ADDR_LEN, sizeof(type));
	return ntohs(type) == ETHERTYPE_VLAN || ntohs(type) == ETH_P_8021AD;
}

static void put_tag(const struct explain_question *q, struct explain_answer *ret)
{
	uint8_t *at = ret->frame + 2 * ETHER_ADDR_LEN;

	ret->trace.wire_bytes += EXPLAIN_TAG_BYTES;
	if (ret->bytes < ETHER_HDR_LEN || ret->bytes + EXPLAIN_TAG_BYTES > sizeof(ret->frame))
		return;
	memmove(at + EXPLAIN_TAG_BYTES, at, ret->bytes - 2 * ETHER_ADDR_LEN);
	memcpy(at, (const uint8_t *)q->frame + 2 * ETHER_ADDR_LEN, EXPLAIN_TAG_BYTES);
	ret->bytes += EXPLAIN_TAG_BYTES;
}

/* The device that it comes by, in the context that the kernel wants of each kind of program. */
static int test_run(int prog_fd, const struct explain_question *q, struct explain_answer *ret)
{
	struct xdp_md xdp = { .data_end = (uint32_t)q->bytes,
			      .ingress_ifindex = q->device->ifindex };
	struct __sk_buff skb = { .ifindex = q->device->ifindex };
	bool is_xdp = q->device->hook == CONF_HOOK_XDP;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = q->frame,
		    .data_size_in = (uint32_t)q->bytes, .data_out = ret->frame,
		    .data_size_out = sizeof(ret->frame), .repeat = 1);

	opts.ctx_in = is_xdp ? (void *)&xdp : (void *)&skb;
	opts.ctx_size_in = is_xdp ? sizeof(xdp) : sizeof(skb);
	if (bpf_prog_test_run_opts(prog_fd, &opts))
		return -errno;
	ret->bytes = opts.data_size_out;
	return 0;
}

static int run(struct bpf_object *obj, const struct explain_question *q, struct explain_answer *ret,
	       struct errmsg *err)
{
	int prog_fd = bpf_program__fd(bpf_object__next_program(obj, NULL)), e;
	int trace_fd = bpf_object__find_map_fd_by_name(obj, "explain_trace");
	uint32_t zero = 0;

	memset(&ret->trace, 0, sizeof(ret->trace));
	e = trace_fd < 0 ? trace_fd : 0;
	if (!e && bpf_map_update_elem(trace_fd, &zero, &ret->trace, BPF_ANY))
		e = -errno;
	if (!e)
		e = test_run(prog_fd, q, ret);
	if (!e && bpf_map_lookup_elem(trace_fd, &zero, &ret->trace))
		e = -errno;
	if (e == -ENODEV)
		return errmsg_set(err, e, "device %s is gone", q->device->name);
	return e ? errmsg_set(err, e, "the kernel does not run the packet: %s", strerror(-e)) : 0;
}

/*
 * BPF_PROG_TEST_RUN makes no skb of less than a whole header of IP, or of nothing behind the link header;
 * IPv4 is the shorter one, so that datagrams without data can be asked about.
 */
static size_t least_bytes(const struct explain_question *q, bool is_xdp)
{
	uint16_t type = 0;

	if (is_xdp || q->bytes < ETHER_HDR_LEN)
		return EXPLAIN_FRAME_MIN;
	memcpy(&type, (const uint8_t *)q->frame + offsetof(struct ether_header, ether_type),
	       sizeof(type));
	if (ntohs(type) == ETHERTYPE_IPV6)
		return ETHER_HDR_LEN + sizeof(struct ip6_hdr);
	return ETHER_HDR_LEN + (ntohs(type) == ETHERTYPE_IP ? sizeof(struct iphdr) : 1);
}

static int ask(struct dataplane *dp, struct loop *loop, const struct explain_question *q,
	       struct explain_answer *ret, struct errmsg *err)
{
	bool is_xdp = q->device->hook == CONF_HOOK_XDP;
	size_t least = least_bytes(q, is_xdp);
	struct bpf_object **obj;
	int e;

	if (q->bytes < least || q->bytes > EXPLAIN_FRAME_MAX)
		return errmsg_set(err, -EINVAL, "a frame of %zu bytes: it is from %zu to %d",
				  q->bytes, least, EXPLAIN_FRAME_MAX);
	e = begin(dp, err);
	if (e)
		return e;
	obj = &dp->explain->obj[!is_xdp];
	if (!*obj)
		e = program_load_explain(dp, is_xdp ? PROGRAM_XDP_EXPLAIN : PROGRAM_TC_EXPLAIN, obj,
					 err);
	timer_start(loop, &dp->explain->idle, EXPLAIN_IDLE_MS);
	return e ? e : run(*obj, q, ret, err);
}

int explain_run(struct dataplane *dp, struct loop *loop, const struct explain_question *q,
		struct explain_answer *ret, struct errmsg *err)
{
	const uint8_t *frame = q->frame;
	struct explain_question untagged = *q;
	int e;

	if (!has_tag(q) || q->bytes > sizeof(ret->frame))
		return ask(dp, loop, q, ret, err);
	/* The kernel has read it before it writes what leaves. */
	untagged.frame = ret->frame;
	untagged.bytes -= EXPLAIN_TAG_BYTES;
	memcpy(ret->frame, frame, 2 * ETHER_ADDR_LEN);
	memcpy(ret->frame + 2 * ETHER_ADDR_LEN, frame + 2 * ETHER_ADDR_LEN + EXPLAIN_TAG_BYTES,
	       untagged.bytes - 2 * ETHER_ADDR_LEN);
	e = ask(dp, loop, &untagged, ret, err);
	if (!e)
		put_tag(q, ret);
	return e;
}
