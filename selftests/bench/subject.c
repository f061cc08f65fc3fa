/* SPDX-License-Identifier: BSD-2-Clause */
#include "subject.h"

#include <linux/bpf.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "again.h"
#include "again.skel.h"
#include "cookie.skel.h"
#include "empty.skel.h"
#include "fill.h"
#include "primitives.skel.h"
#include "sluice/abi/client.h"
#include "sluice/abi/guard.h"
#include "tc_egress.skel.h"
#include "vary.skel.h"
#include "xdp_ingress.skel.h"

#define FAST	 100000000 /* a rate that never refuses here */
#define SLOW	 1	   /* one packet a day */
#define K64	 65536
#define M1	 1048576
#define ROW_BITS 20 /* of one limit; of several, together as much memory */
#define TC_PASS	 UINT32_MAX
#define TC_DROP	 2

struct subject subjects[] = {
	{ .name = "empty", .program = SUBJECT_EMPTY, .expect = XDP_PASS },
	{ .name = "parse", .program = SUBJECT_PARSE, .expect = XDP_PASS },
	{ .name = "+acl", .program = SUBJECT_ACL, .expect = XDP_PASS },
	{ .name = "+verdict", .program = SUBJECT_VERDICT, .expect = XDP_PASS },
	{ .name = "limit-primitives", .program = SUBJECT_PRIMITIVES, .expect = XDP_PASS },
	{ .name = "limit-accept",
	  .program = SUBJECT_LIMIT,
	  .expect = XDP_PASS,
	  .per_s = FAST,
	  .proven = true },
	{ .name = "limit-refuse",
	  .program = SUBJECT_LIMIT,
	  .expect = XDP_DROP,
	  .per_s = SLOW,
	  .proven = true },
	{ .name = "limit-accept-row", .program = SUBJECT_LIMIT, .expect = XDP_PASS, .per_s = FAST },
	{ .name = "limit-refuse-row", .program = SUBJECT_LIMIT, .expect = XDP_DROP, .per_s = SLOW },
	{ .name = "limit-accept-3",
	  .program = SUBJECT_LIMIT,
	  .expect = XDP_PASS,
	  .per_s = FAST,
	  .proven = true,
	  .limits = 3 },
	{ .name = "+vip",
	  .program = SUBJECT_ALL,
	  .expect = XDP_TX,
	  .per_s = FAST,
	  .proven = true,
	  .vip = true },
	{ .name = "verdict-hit",
	  .program = SUBJECT_ALL,
	  .expect = XDP_DROP,
	  .verdict = true,
	  .whole = true },
	{ .name = "verdict-cached", .program = SUBJECT_ALL, .expect = XDP_DROP, .verdict = true },
	{ .name = "limit-cached",
	  .program = SUBJECT_ALL,
	  .expect = XDP_DROP,
	  .frame = FRAME_UDP,
	  .per_s = SLOW,
	  .proven = true },
	{ .name = "populated",
	  .program = SUBJECT_ALL,
	  .expect = XDP_PASS,
	  .per_s = FAST,
	  .proven = true,
	  .deny = 1000,
	  .verdicts = 10000 },
	{ .name = "all-on",
	  .program = SUBJECT_ALL,
	  .expect = XDP_TX,
	  .per_s = FAST,
	  .limits = 3,
	  .proven = true,
	  .deny = 1000,
	  .verdicts = 10000,
	  .guard = GUARD_AUTO,
	  .vip = true },
	{ .name = "empty-64k", .program = SUBJECT_EMPTY, .expect = XDP_PASS, .sources = K64 },
	{ .name = "limit-accept-64k",
	  .program = SUBJECT_ALL,
	  .expect = XDP_PASS,
	  .per_s = FAST,
	  .proven = true,
	  .sources = K64 },
	{ .name = "limit-refuse-64k",
	  .program = SUBJECT_ALL,
	  .expect = XDP_DROP,
	  .per_s = SLOW,
	  .proven = true,
	  .sources = K64 },
	{ .name = "limit-accept-1M",
	  .program = SUBJECT_ALL,
	  .expect = XDP_PASS,
	  .per_s = FAST,
	  .proven = true,
	  .sources = M1 },
	{ .name = "limit-refuse-1M",
	  .program = SUBJECT_ALL,
	  .expect = XDP_DROP,
	  .per_s = SLOW,
	  .proven = true,
	  .sources = M1 },
	{ .name = "limit-spoofed-64k",
	  .program = SUBJECT_ALL,
	  .expect = XDP_PASS,
	  .per_s = FAST,
	  .sources = K64 },
	{ .name = "limit-spoofed",
	  .program = SUBJECT_ALL,
	  .expect = XDP_PASS,
	  .per_s = FAST,
	  .sources = M1 },
	{ .name = "deny-1", .program = SUBJECT_ALL, .expect = XDP_PASS, .deny = 1, .sources = M1 },
	{ .name = "deny-10k",
	  .program = SUBJECT_ALL,
	  .expect = XDP_PASS,
	  .deny = 10000,
	  .sources = M1 },
	{ .name = "deny-1M",
	  .program = SUBJECT_ALL,
	  .expect = XDP_PASS,
	  .deny = 1000000,
	  .sources = M1 },
	{ .name = "syn",
	  .program = SUBJECT_ALL,
	  .expect = XDP_PASS,
	  .frame = FRAME_SYN_HOST,
	  .per_s = FAST,
	  .proven = true },
	{ .name = "syn-concurrent",
	  .program = SUBJECT_ALL,
	  .expect = XDP_PASS,
	  .frame = FRAME_SYN_HOST,
	  .per_s = FAST,
	  .proven = true,
	  .concurrent = 100,
	  .connections = 50 },
	{ .name = "syn-concurrent-refuse",
	  .program = SUBJECT_ALL,
	  .expect = XDP_DROP,
	  .frame = FRAME_SYN_HOST,
	  .per_s = FAST,
	  .proven = true,
	  .concurrent = 100,
	  .connections = 100 },
	{ .name = "syncookie-made-helper",
	  .program = SUBJECT_COOKIE_MAKE,
	  .expect = XDP_PASS,
	  .frame = FRAME_SYN_HOST,
	  .again = true },
	{ .name = "syncookie-made",
	  .program = SUBJECT_ALL,
	  .expect = XDP_TX,
	  .frame = FRAME_SYN_HOST,
	  .guard = GUARD_ALWAYS,
	  .again = true },
	{ .name = "syncookie-checked-helper",
	  .program = SUBJECT_COOKIE_CHECK,
	  .expect = XDP_PASS,
	  .frame = FRAME_THIRD },
	{ .name = "syncookie-checked",
	  .program = SUBJECT_ALL,
	  .expect = XDP_PASS,
	  .frame = FRAME_THIRD,
	  .guard = GUARD_ALWAYS },
	{ .name = "challenge-made-helper",
	  .program = SUBJECT_COOKIE_RAW,
	  .expect = XDP_PASS,
	  .frame = FRAME_SYN_VIP,
	  .again = true },
	{ .name = "challenge-made",
	  .program = SUBJECT_ALL,
	  .expect = XDP_TX,
	  .frame = FRAME_SYN_VIP,
	  .guard = GUARD_ALWAYS,
	  .vip = true,
	  .again = true },
	{ .name = "egress-empty",
	  .program = SUBJECT_EMPTY_EGRESS,
	  .expect = TC_PASS,
	  .frame = FRAME_ANSWER },
	{ .name = "egress-accept",
	  .program = SUBJECT_EGRESS,
	  .expect = TC_PASS,
	  .frame = FRAME_ANSWER,
	  .per_s = FAST,
	  .proven = true },
	{ .name = "egress-refuse",
	  .program = SUBJECT_EGRESS,
	  .expect = TC_DROP,
	  .frame = FRAME_ANSWER,
	  .per_s = SLOW,
	  .proven = true },
};

const size_t n_subjects = sizeof(subjects) / sizeof(subjects[0]);

bool subject_is_floor(const struct subject *s)
{
	return s->program < SUBJECT_PARSE;
}

static uint32_t limits_of(const struct subject *s)
{
	return s->limits ? s->limits : 1;
}

static uint32_t row_bits(const struct subject *s)
{
	return limits_of(s) > 1 ? ROW_BITS - 4 : ROW_BITS;
}

static void size_map(struct bpf_object *obj, const char *name, uint32_t n)
{
	struct bpf_map *map = bpf_object__find_map_by_name(obj, name);

	if (map)
		bpf_map__set_max_entries(map, n);
}

static void size_maps(struct bpf_object *obj, const struct subject *s)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj) bpf_map__set_pin_path(map, NULL);
	size_map(obj, "vip_ring", 4 * 2 * FILL_STRIDE);
	size_map(obj, "source_split", 1 << 20);
	size_map(obj, "limit_rows", s->per_s ? limits_of(s) * 2 << row_bits(s) : 1);
	if (s->sources > 200000)
		size_map(obj, "clients", s->sources + s->sources / 4);
}

static const uint8_t *client_of(const struct subject *s)
{
	return &s->packet.bytes[s->frame == FRAME_ANSWER ? FRAME_CLIENT_AT : FRAME_SOURCE_AT];
}

static void fill(struct bpf_object *obj, const struct subject *s)
{
	const struct fill_limits limits = { .per_s = s->per_s == SLOW ? 0 : s->per_s,
					    .burst = s->per_s,
					    .classes = limits_of(s),
					    .row_bits = row_bits(s),
					    .totals = limits_of(s) > 1,
					    .concurrent = s->concurrent };

	if (s->per_s)
		fill_limits(obj, &limits);
	if (s->proven && s->sources)
		fill_proven(obj, s->sources);
	else if (s->proven)
		fill_proven_one(obj, client_of(s), limits_of(s));
	if (s->connections)
		fill_connections(obj, client_of(s), s->connections);
	if (s->deny)
		fill_deny(obj, s->deny);
	if (s->verdicts)
		fill_verdicts(obj, s->verdicts, s->verdicts);
	if (s->verdict)
		fill_verdict_of(obj, client_of(s));
	if (s->vip)
		fill_vip(obj);
	else
		fill_no_vips(obj);
	if (s->guard)
		fill_guard(obj, s->guard);
}

static int load_ingress(const struct subject *s)
{
	struct xdp_ingress *xdp = xdp_ingress__open();

	if (!xdp)
		fill_die("xdp_ingress");
	size_maps(xdp->obj, s);
	xdp->rodata->ring_stride = FILL_STRIDE;
	xdp->rodata->acl_enabled = s->program >= SUBJECT_ACL;
	xdp->rodata->verdict_enabled = s->program >= SUBJECT_VERDICT;
	xdp->rodata->limit_enabled = s->program >= SUBJECT_LIMIT;
	xdp->rodata->vip_enabled = s->program >= SUBJECT_ALL;
	xdp->rodata->drop_cache_enabled = !s->whole;
	if (xdp_ingress__load(xdp))
		fill_die("load");
	fill(xdp->obj, s);
	return bpf_program__fd(xdp->progs.xdp_ingress);
}

static int load_egress(const struct subject *s)
{
	struct tc_egress *tc = tc_egress__open();

	if (!tc)
		fill_die("tc_egress");
	size_maps(tc->obj, s);
	if (tc_egress__load(tc))
		fill_die("load");
	fill(tc->obj, s);
	return bpf_program__fd(tc->progs.tc_egress);
}

static int load_empty(bool egress)
{
	struct empty *empty = empty__open_and_load();

	if (!empty)
		fill_die("empty");
	return bpf_program__fd(egress ? empty->progs.empty_egress : empty->progs.empty);
}

static int load_primitives(const struct subject *s)
{
	struct primitives *p = primitives__open_and_load();
	struct client_key key = { .limit_class = 1 };
	struct client c = { 0 };

	if (!p)
		fill_die("primitives");
	key.source.w[2] = __builtin_bswap32(0xffff);
	memcpy(&key.source.b[12], client_of(s), 4);
	if (bpf_map_update_elem(bpf_map__fd(p->maps.sources), &key, &c, BPF_ANY))
		fill_die("sources");
	return bpf_program__fd(p->progs.primitives);
}

static int load_cookie(enum subject_program program)
{
	struct cookie *c = cookie__open_and_load();

	if (!c)
		fill_die("cookie");
	if (program == SUBJECT_COOKIE_MAKE)
		return bpf_program__fd(c->progs.cookie_make);
	return bpf_program__fd(program == SUBJECT_COOKIE_CHECK ? c->progs.cookie_check
							       : c->progs.cookie_raw);
}

static int load_program(const struct subject *s)
{
	switch (s->program) {
	case SUBJECT_EMPTY:
	case SUBJECT_EMPTY_EGRESS:
		return load_empty(s->program == SUBJECT_EMPTY_EGRESS);
	case SUBJECT_PRIMITIVES:
		return load_primitives(s);
	case SUBJECT_COOKIE_MAKE:
	case SUBJECT_COOKIE_CHECK:
	case SUBJECT_COOKIE_RAW:
		return load_cookie(s->program);
	case SUBJECT_EGRESS:
		return load_egress(s);
	default:
		return load_ingress(s);
	}
}

static void put_behind(struct subject *s, int next_fd, int first_fd)
{
	uint32_t zero = 0;

	if (bpf_map_update_elem(next_fd, &zero, &s->prog_fd, BPF_ANY))
		fill_die(s->name);
	s->prog_fd = first_fd;
}

static void load_vary(struct subject *s)
{
	struct vary *vary = vary__open_and_load();

	if (!vary)
		fill_die("vary");
	vary->bss->vary_mask = s->sources - 1;
	put_behind(s, bpf_map__fd(vary->maps.vary_next), bpf_program__fd(vary->progs.vary));
}

static void load_again(struct subject *s)
{
	struct again *again = again__open_and_load();

	_Static_assert(sizeof(again->bss->again_frame) == sizeof(s->packet.bytes), "all of it");
	if (!again)
		fill_die("again");
	memcpy(again->bss->again_frame, s->packet.bytes, sizeof(s->packet.bytes));
	put_behind(s, bpf_map__fd(again->maps.again_next), bpf_program__fd(again->progs.again));
}

void subject_load(struct subject *s)
{
	frame_build(s->frame, &s->packet);
	s->prog_fd = load_program(s);
	if (s->sources)
		load_vary(s);
	if (s->again)
		load_again(s);
}
