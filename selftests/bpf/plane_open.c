/* SPDX-License-Identifier: BSD-2-Clause */
/* Loading the programs of a hook, with maps of their own or those of another. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "plane.h"
#include "plane_pin.h"
#include "plane_pool.h"
#include "dataplane/quic_key.h"
#include "planted.skel.h"
#include "planted_egress.skel.h"
#include "tc_egress.skel.h"
#include "tc_ingress.skel.h"
#include "xdp_ingress.skel.h"

static void settle_maps(struct bpf_object *object, const struct plane_settings *s)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
	{
		assert_int_equal(bpf_map__set_pin_path(map, NULL), 0);
		if (strcmp(bpf_map__name(map), "vip_ring") == 0)
			bpf_map__set_max_entries(map, PLANE_VIPS * 2 * PLANE_RING);
		if (strcmp(bpf_map__name(map), "vip_flow") == 0)
			bpf_map__set_max_entries(map, PLANE_FLOWS);
		if (strcmp(bpf_map__name(map), "clients") == 0)
			bpf_map__set_max_entries(map, s->max_clients ? s->max_clients : 4096);
		if (strcmp(bpf_map__name(map), "limit_rows") == 0)
			bpf_map__set_max_entries(map, PLANE_CLASSES * 2 << PLANE_ROW_BITS);
	}
}

/* The skeletons have the same settings in structs of different names. */
#define SETTLE(skeleton, s)                                                      \
	do {                                                                     \
		(skeleton)->rodata->clock_injected = !(s)->real_clock;           \
		(skeleton)->rodata->unknown_l4_drop = (s)->unknown_l4_drop;      \
		(skeleton)->rodata->events_per_s = (s)->events_per_s;            \
		(skeleton)->rodata->top_enabled = !(s)->no_top;                  \
		(skeleton)->rodata->too_big_per_s = (s)->too_big_per_s;          \
		(skeleton)->rodata->echo_per_s = (s)->echo_per_s;                \
		(skeleton)->rodata->nat_cpus = (s)->nat_cpus ?: PLANE_NAT_USUAL; \
		(skeleton)->rodata->guard_own = !(s)->no_cookies;                \
		(skeleton)->rodata->guard_vips = !(s)->no_cookies;               \
		(skeleton)->rodata->quic_encryption = plane_encrypts();          \
		(skeleton)->rodata->vip_syns_per_s = PLANE_SYNS_PER_S;           \
		(skeleton)->rodata->vip_notes_per_s = PLANE_NOTES_PER_S;         \
		(skeleton)->rodata->ring_stride = PLANE_RING;                    \
		settle_maps((skeleton)->obj, (s));                               \
	} while (0)

bool plane_encrypts(void)
{
	struct errmsg why;

	return quic_key_kernel_has(&why);
}

static void open_policy(struct plane *p)
{
	struct source_maps maps = { .v4_fd = plane_map(p, "source_v4"),
				    .split_fd = plane_map(p, "source_split"),
				    .long_fd = plane_map(p, "source_long"),
				    .v6_fd = plane_map(p, "source_v6"),
				    .v6_lines_fd = plane_map(p, "source_v6_lines") };
	struct limit_state state = { 0 };
	struct errmsg err;
	uint32_t zero = 0, i;

	assert_int_equal(source_table_open(&maps, &p->sources), 0);
	source_table_set(p->sources, SOURCE_LIST_ALLOW, NULL, 0);
	source_table_set(p->sources, SOURCE_LIST_DENY, NULL, 0);
	source_table_set_groups(p->sources, NULL, 0);
	assert_int_equal(source_table_apply(p->sources, &err), 0);
	for (i = 0; i < 2 * 2 * LIMIT_ROW_KEY_WORDS; i++)
		state.key[i / 8].row[i / 4 % 2][i % 4] = 0x9e3779b97f4a7c15ULL * (i + 3);
	plane_limit_state_set(p, &state);
	assert_int_equal(bpf_map_update_elem(plane_map(p, "vip_state"), &zero,
					     &(struct vip_state) { .is_empty = 1 }, BPF_ANY),
			 0);
}

static void open_planted(struct plane *p, const struct plane_settings *s)
{
	struct planted *bug = planted__open();

	assert_non_null(bug);
	SETTLE(bug, s);
	bug->rodata->planted = s->planted;
	assert_int_equal(planted__load(bug), 0);
	p->skeleton = bug;
	p->object = bug->obj;
	p->prog_fd = bpf_program__fd(bug->progs.xdp_ingress);
	p->now_ns = &bug->bss->test_now_ns;
	p->random = &bug->bss->test_random;
	p->guard_until_ns = &bug->bss->guard_until_ns;
	p->echo_tat = &bug->bss->vip_echo_tat;
	p->too_big_tat = &bug->bss->mtu_answers_tat;
}

/* A program that another process has loaded, and its maps. */
static int take_left(const struct plane *p, const struct plane_settings *s)
{
	return plane_pool_may_outlive(s) ? plane_pin_take(p->object, plane_hook_name[p->hook]) : -1;
}

static void load_ingress(struct plane *p, enum plane_hook hook, const struct plane_settings *s)
{
	int left = -1;

	memset(p, 0, sizeof(*p));
	p->hook = hook;
	p->planted = s->planted && s->planted < PLANE_PLANTED_EGRESS;
	if (p->planted) {
		assert_int_equal(hook, PLANE_XDP);
		open_planted(p, s);
	} else if (hook == PLANE_XDP) {
		struct xdp_ingress *xdp = xdp_ingress__open();

		assert_non_null(xdp);
		SETTLE(xdp, s);
		p->skeleton = xdp;
		p->object = xdp->obj;
		left = take_left(p, s);
		assert_int_equal(xdp_ingress__load(xdp), 0);
		p->prog_fd = left >= 0 ? left : bpf_program__fd(xdp->progs.xdp_ingress);
		p->now_ns = &xdp->bss->test_now_ns;
		p->random = &xdp->bss->test_random;
		p->guard_until_ns = &xdp->bss->guard_until_ns;
		p->echo_tat = &xdp->bss->vip_echo_tat;
		p->too_big_tat = &xdp->bss->mtu_answers_tat;
	} else {
		struct tc_ingress *tc = tc_ingress__open();

		assert_non_null(tc);
		SETTLE(tc, s);
		p->skeleton = tc;
		p->object = tc->obj;
		left = take_left(p, s);
		assert_int_equal(tc_ingress__load(tc), 0);
		p->prog_fd = left >= 0 ? left : bpf_program__fd(tc->progs.tc_ingress);
		p->now_ns = &tc->bss->test_now_ns;
		p->random = &tc->bss->test_random;
		p->guard_until_ns = &tc->bss->guard_until_ns;
		p->echo_tat = &tc->bss->vip_echo_tat;
		p->too_big_tat = &tc->bss->mtu_answers_tat;
	}
	if (left >= 0)
		plane_pool_empty(p);
	else if (plane_pool_may_outlive(s))
		plane_pin_keep(p->object, plane_hook_name[hook]);
}

void plane_open(struct plane *p, enum plane_hook hook, const struct plane_settings *settings)
{
	static const struct plane_settings defaults;
	const struct plane_settings *s = settings ? settings : &defaults;

	if (!plane_pool_take(p, hook, s, NULL)) {
		load_ingress(p, hook, s);
		plane_pool_put(p, s, NULL);
	}
	*p->now_ns = 1000 * PLANE_SECOND;
	open_policy(p);
}

/* The maps of the way in instead of its own. */
static void share_maps(struct bpf_object *object, struct plane *in)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
	{
		int fd = bpf_object__find_map_fd_by_name(in->object, bpf_map__name(map));

		if (!bpf_map__is_internal(map) && fd >= 0)
			assert_int_equal(bpf_map__reuse_fd(map, fd), 0);
	}
}

static void open_planted_egress(struct plane *p, struct plane *in, const struct plane_settings *s)
{
	struct planted_egress *bug = planted_egress__open();

	assert_non_null(bug);
	SETTLE(bug, s);
	bug->rodata->planted = s->planted;
	share_maps(bug->obj, in);
	assert_int_equal(planted_egress__load(bug), 0);
	*p = (struct plane) { .hook = PLANE_EGRESS,
			      .planted = true,
			      .skeleton = bug,
			      .object = bug->obj,
			      .prog_fd = bpf_program__fd(bug->progs.tc_egress),
			      .now_ns = &bug->bss->test_now_ns,
			      .random = &bug->bss->test_random };
}

static void load_egress(struct plane *p, struct plane *in, const struct plane_settings *s)
{
	struct tc_egress *tc = tc_egress__open();

	assert_non_null(tc);
	SETTLE(tc, s);
	share_maps(tc->obj, in);
	assert_int_equal(tc_egress__load(tc), 0);
	*p = (struct plane) { .hook = PLANE_EGRESS,
			      .skeleton = tc,
			      .object = tc->obj,
			      .prog_fd = bpf_program__fd(tc->progs.tc_egress),
			      .now_ns = &tc->bss->test_now_ns,
			      .random = &tc->bss->test_random };
}

void plane_open_egress(struct plane *p, struct plane *in, const struct plane_settings *settings)
{
	static const struct plane_settings defaults;
	const struct plane_settings *s = settings ? settings : &defaults;

	if (!plane_pool_take(p, PLANE_EGRESS, s, in)) {
		if (s->planted >= PLANE_PLANTED_EGRESS)
			open_planted_egress(p, in, s);
		else
			load_egress(p, in, s);
		plane_pool_put(p, s, in);
	}
	*p->now_ns = *in->now_ns;
}

void plane_close(struct plane *p)
{
	source_table_close(p->sources);
	if (plane_pool_give_back(p))
		return;
	if (p->planted && p->hook == PLANE_EGRESS)
		planted_egress__destroy(p->skeleton);
	else if (p->planted)
		planted__destroy(p->skeleton);
	else if (p->hook == PLANE_EGRESS)
		tc_egress__destroy(p->skeleton);
	else if (p->hook == PLANE_XDP)
		xdp_ingress__destroy(p->skeleton);
	else
		tc_ingress__destroy(p->skeleton);
}
