/* SPDX-License-Identifier: BSD-2-Clause */
#include "subject.h"

#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "cookie.skel.h"
#include "dataplane/quic_key.h"
#include "empty.skel.h"
#include "fill.h"
#include "fill_vip.h"
#include "primitives.skel.h"
#include "sluice/abi/client.h"
#include "sluice/abi/guard.h"
#include "tc_egress.skel.h"
#include "xdp_ingress.skel.h"

bool subject_is_floor(const struct subject *s)
{
	return s->program < SUBJECT_PARSE;
}

#define ROW_BITS 20 /* of one limit; of several, together as much memory */

struct subject *subject_named(const char *name)
{
	size_t i;

	for (i = 0; i < n_subjects; i++)
		if (strcmp(subjects[i].name, name) == 0)
			return &subjects[i];
	abort();
}

const struct subject *subject_empty(const struct subject *s)
{
	const bool egress = s->program == SUBJECT_EGRESS || s->program == SUBJECT_EMPTY_EGRESS;

	return subject_named(egress ? "egress-empty" : "empty");
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

static uint32_t proven_of(const struct subject *s)
{
	return s->sources > s->clients ? s->sources : s->clients;
}

static void size_maps(struct bpf_object *obj, const struct subject *s)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj) bpf_map__set_pin_path(map, NULL);
	size_map(obj, "vip_ring", 4 * 2 * FILL_STRIDE);
	if (s->vips)
		fill_vip_size(obj, s->vips);
	size_map(obj, "source_split", 1 << 20);
	size_map(obj, "source_v6", 1 << 20);
	size_map(obj, "limit_rows", s->per_s ? limits_of(s) * 2 << row_bits(s) : 1);
	if (proven_of(s) > 200000)
		size_map(obj, "clients", proven_of(s) + proven_of(s) / 4);
}

static const uint8_t *client_of(const struct subject *s)
{
	return &s->packet.bytes[s->frame == FRAME_ANSWER ? FRAME_CLIENT_AT : FRAME_SOURCE_AT];
}

static void fill(struct bpf_object *obj, const struct subject *s)
{
	const struct fill_limits limits = { .per_s = s->per_s == SUBJECT_SLOW ? 0 : s->per_s,
					    .burst = s->per_s,
					    .classes = limits_of(s),
					    .row_bits = row_bits(s),
					    .totals = limits_of(s) > 1,
					    .concurrent = s->concurrent };
	struct frame v6;

	if (s->per_s)
		fill_limits(obj, &limits);
	if (s->proven && proven_of(s))
		fill_proven(obj, proven_of(s));
	if (s->proven && !s->sources)
		fill_proven_one(obj, client_of(s), limits_of(s));
	if (s->vips && s->proven) {
		frame_build(FRAME_V6, 0, &v6);
		fill_proven_v6(obj, &v6.bytes[FRAME_V6_AT]);
	}
	if (s->connections)
		fill_connections(obj, client_of(s), s->connections);
	if (s->deny)
		fill_deny(obj, s->deny, s->frame == FRAME_V6);
	if (s->verdicts)
		fill_verdicts(obj, s->verdicts, s->verdicts);
	if (s->verdict)
		fill_verdict_of(obj, client_of(s));
	if (s->nat)
		fill_nat(obj);
	if (s->vips)
		fill_vips(obj, s->vips);
	else if (s->vip)
		fill_vip(obj);
	else
		fill_no_vips(obj);
	if (s->guard)
		fill_guard(obj, s->guard);
}

static int load_ingress(const struct subject *s)
{
	struct xdp_ingress *xdp = xdp_ingress__open();
	struct errmsg why;

	if (!xdp)
		fill_die("xdp_ingress");
	size_maps(xdp->obj, s);
	xdp->rodata->ring_stride = s->vips ? FILL_VIP_STRIDE : FILL_STRIDE;
	xdp->rodata->acl_enabled = s->program >= SUBJECT_ACL;
	xdp->rodata->verdict_enabled = s->program >= SUBJECT_VERDICT;
	xdp->rodata->limit_enabled = s->program >= SUBJECT_LIMIT;
	xdp->rodata->vip_enabled = s->program >= SUBJECT_ALL;
	xdp->rodata->drop_cache_enabled = !s->whole;
	xdp->rodata->quic_encryption = quic_key_kernel_has(&why);
	if (xdp_ingress__load(xdp))
		fill_die("load");
	fill(xdp->obj, s);
	if (!s->verdicts && !s->verdict)
		fill_no_verdicts(xdp->obj);
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

void subject_load(struct subject *s)
{
	frame_build(s->frame, s->vip_n, &s->packet);
	if (!s->like)
		s->own_fd = load_program(s);
}
