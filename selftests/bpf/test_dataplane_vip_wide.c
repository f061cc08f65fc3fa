/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * harness: own-kernel
 * What the agent writes for vips of prefixes and ranges, over changes and restarts.
 */
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <string.h>

#include "dataplane/dataplane_state.h"
#include "vip_lab.h"

/* A vip with a backend sends on, one without drops: so two of them can be told apart. */
enum { NOBODY = XDP_PASS, SENDER = XDP_REDIRECT, DROPPER = XDP_DROP };

struct wide_lab {
	struct vip_lab *w;
	struct conf_vip vips[3];
};

static int wide_open(void **state)
{
	static struct wide_lab l;
	static char device[] = "edge1";

	l = (struct wide_lab) { 0 };
	if (vip_lab_open((void **)&l.w))
		return -1;
	dataplane_close(l.w->dp);
	/* Those that are gone keep their ids for a while. */
	l.w->conf_dp.max_backends = 64;
	l.w->conf_dp.max_vips = 32;
	l.w->dp = lab_dataplane(l.w->lab, &l.w->conf_dp);
	assert_int_equal(dataplane_attach(l.w->dp, &l.w->conf_dp), 0);
	/* Only the device is looked for. */
	l.w->backend[0].has_mac = true;
	memcpy(l.w->backend[0].mac, (uint8_t[6]) { 2, 0, 0, 0, 0, 9 }, 6);
	l.w->backend[0].device = device;
	l.w->conf.vips = l.vips;
	*state = &l;
	return 0;
}

static int wide_close(void **state)
{
	struct wide_lab *l = *state;

	return vip_lab_close((void **)&l->w);
}

/* bits: of a prefix of IPv4; 32: an address. last: 0, or of a range; 0 to UINT16_MAX is any. */
static void set_vip(struct wide_lab *l, size_t i, int does, const char *address, uint8_t bits,
		    uint16_t first, uint16_t last)
{
	static char names[][3] = { "v0", "v1", "v2" };

	l->vips[i] = (struct conf_vip) {
		.name = names[i],
		.address = lab_addr(address),
		.address_bits = bits == 32 ? 0 : (uint8_t)(96 + bits + 1),
		.port = first,
		.port_last = last,
		.protocol = IPPROTO_UDP,
		.backends = l->w->backend,
		.n_backends = does == SENDER,
	};
}

static bool all_have_rings(void *ctx)
{
	struct wide_lab *l = ctx;
	struct vip_backend_state s[VIP_LAB_HOSTS];

	for (size_t i = 0; i < l->w->conf.n_vips; i++)
		if (vip_map_backends(l->w->dp, l->vips[i].name, s, VIP_LAB_HOSTS) && !s[0].slots)
			return false;
	return true;
}

static void apply(struct wide_lab *l, size_t n)
{
	l->w->conf.n_vips = n;
	vip_lab_apply(l->w);
	lab_until(l->w->lab, all_have_rings, l);
}

static int without_vips(void **state)
{
	apply(*state, 0);
	return 0;
}

static int what_does(struct wide_lab *l, const char *dst, uint16_t port, uint16_t frag_off)
{
	struct lab_frame f = lab_ipv4("198.51.100.7", dst, IPPROTO_UDP, 4000, port);

	if (frag_off) { /* the checksum is not looked at */
		f.bytes[14 + 6] = (uint8_t)(frag_off >> 8);
		f.bytes[14 + 7] = (uint8_t)frag_off;
	}
	return (int)lab_test_run(l->w->lab, f.bytes, f.n);
}

static int at(struct wide_lab *l, const char *dst, uint16_t port)
{
	return what_does(l, dst, port, 0);
}

static int fragment_at(struct wide_lab *l, const char *dst)
{
	return what_does(l, dst, 0, 185);
}

static size_t entries(struct wide_lab *l, const char *map)
{
	const int fd = pinned_map_fd(l->w->dp, map);
	char key[64], next[64];
	size_t n = 0;

	while (bpf_map_get_next_key(fd, n ? key : NULL, next) == 0) {
		memcpy(key, next, sizeof(key));
		n++;
	}
	return n;
}

static void a_vip_becomes_wider_and_narrower(void **state)
{
	struct wide_lab *l = *state;

	set_vip(l, 0, SENDER, "192.0.2.80", 32, 53, 0);
	apply(l, 1);
	assert_int_equal(at(l, "192.0.2.80", 53), SENDER);
	assert_int_equal(at(l, "192.0.2.80", 54), NOBODY);
	assert_int_equal(at(l, "192.0.2.81", 53), NOBODY);
	set_vip(l, 0, SENDER, "192.0.2.80", 32, 53, 60);
	apply(l, 1);
	assert_int_equal(at(l, "192.0.2.80", 60), SENDER);
	assert_int_equal(at(l, "192.0.2.80", 61), NOBODY);
	set_vip(l, 0, SENDER, "192.0.2.0", 24, 0, UINT16_MAX);
	apply(l, 1);
	assert_int_equal(at(l, "192.0.2.80", 61), SENDER);
	assert_int_equal(at(l, "192.0.2.255", 1), SENDER);
	assert_int_equal(at(l, "192.0.3.0", 53), NOBODY);
	set_vip(l, 0, SENDER, "192.0.2.128", 25, 53, 54);
	apply(l, 1);
	assert_int_equal(at(l, "192.0.2.80", 53), NOBODY);
	assert_int_equal(at(l, "192.0.2.128", 54), SENDER);
	assert_int_equal(at(l, "192.0.2.128", 55), NOBODY);
	assert_int_equal(entries(l, "vip_wide"), 1);
	assert_int_equal(entries(l, "vips"), 1);
	apply(l, 0);
	assert_int_equal(at(l, "192.0.2.128", 54), NOBODY);
	assert_int_equal(entries(l, "vip_wide"), 0);
	assert_int_equal(entries(l, "vips"), 0);
}

static void one_inside_another_comes_and_goes(void **state)
{
	struct wide_lab *l = *state;

	set_vip(l, 0, SENDER, "192.0.2.0", 24, 0, UINT16_MAX);
	set_vip(l, 1, DROPPER, "192.0.2.80", 32, 5000, 5009);
	set_vip(l, 2, DROPPER, "192.0.2.90", 32, 53, 0);
	apply(l, 3);
	assert_int_equal(at(l, "192.0.2.80", 5005), DROPPER);
	assert_int_equal(at(l, "192.0.2.80", 53), SENDER);
	assert_int_equal(at(l, "192.0.2.90", 53), DROPPER);
	assert_int_equal(at(l, "192.0.2.90", 54), SENDER);
	assert_int_equal(fragment_at(l, "192.0.2.80"), DROPPER);
	assert_int_equal(fragment_at(l, "192.0.2.81"), SENDER);
	/* The outer one goes: what the inner ones had of it goes as well. */
	l->vips[0] = l->vips[2];
	apply(l, 2);
	assert_int_equal(at(l, "192.0.2.80", 5005), DROPPER);
	assert_int_equal(at(l, "192.0.2.80", 53), NOBODY);
	assert_int_equal(at(l, "192.0.2.90", 53), DROPPER);
	assert_int_equal(at(l, "192.0.2.90", 54), NOBODY);
	assert_int_equal(fragment_at(l, "192.0.2.81"), NOBODY);
	/* And the inner ones: the outer one has all. */
	set_vip(l, 0, SENDER, "192.0.2.0", 24, 0, UINT16_MAX);
	apply(l, 1);
	assert_int_equal(at(l, "192.0.2.80", 5005), SENDER);
	assert_int_equal(at(l, "192.0.2.90", 53), SENDER);
	assert_int_equal(fragment_at(l, "192.0.2.80"), SENDER);
}

static void fragments_to_a_plain_vip_are_balanced(void **state)
{
	struct wide_lab *l = *state;
	const struct vip_state *s = pinned_map_mem(l->w->dp, "vip_state");

	set_vip(l, 0, SENDER, "192.0.2.80", 32, 53, 0);
	apply(l, 1);
	assert_int_equal(fragment_at(l, "192.0.2.80"), SENDER);
	assert_int_equal(fragment_at(l, "192.0.2.81"), NOBODY);
	assert_int_equal(s->has_wide, 0);
	set_vip(l, 1, DROPPER, "192.0.2.80", 32, 54, 0); /* the first port's they are */
	apply(l, 2);
	assert_int_equal(fragment_at(l, "192.0.2.80"), SENDER);
	apply(l, 0);
	assert_int_equal(fragment_at(l, "192.0.2.80"), NOBODY);
}

static void a_listener_inside_keeps_its_place(void **state)
{
	struct wide_lab *l = *state;
	struct conf_listener listener = { .address = lab_addr("192.0.2.7"), .port = 443 };
	struct lab_frame f = lab_ipv4("198.51.100.7", "192.0.2.7", IPPROTO_TCP, 4000, 443);

	set_vip(l, 0, SENDER, "192.0.2.0", 24, 0, UINT16_MAX);
	l->vips[0].protocol = IPPROTO_TCP;
	apply(l, 1);
	assert_int_equal(lab_test_run(l->w->lab, f.bytes, f.n), SENDER);
	l->w->conf.listeners = &listener;
	l->w->conf.n_listeners = 1;
	apply(l, 1);
	assert_int_equal(lab_test_run(l->w->lab, f.bytes, f.n), NOBODY);
	l->w->conf.n_listeners = 0;
	apply(l, 1);
	assert_int_equal(lab_test_run(l->w->lab, f.bytes, f.n), SENDER);
}

static void the_next_agent_adopts_them(void **state)
{
	struct wide_lab *l = *state;
	struct vip_lab *w = l->w;
	uint32_t id[2];

	set_vip(l, 0, SENDER, "192.0.2.0", 24, 0, UINT16_MAX);
	set_vip(l, 1, DROPPER, "192.0.2.80", 32, 5000, 5009);
	apply(l, 2);
	id[0] = vip_map_id(w->dp, "v0");
	id[1] = vip_map_id(w->dp, "v1");
	dataplane_close(w->dp);
	assert_int_equal(at(l, "192.0.2.9", 99), SENDER);
	assert_int_equal(at(l, "192.0.2.80", 5000), DROPPER);

	w->conf_dp.max_vips *=
		2; /* another size: the map is made anew and filled from the old one */
	w->dp = lab_dataplane(w->lab, &w->conf_dp);
	assert_int_equal(dataplane_attach(w->dp, &w->conf_dp), 0);
	assert_int_equal(at(l, "192.0.2.9", 99), SENDER);
	assert_int_equal(at(l, "192.0.2.80", 5000), DROPPER);
	apply(l, 2);
	assert_int_equal(at(l, "192.0.2.9", 99), SENDER);
	assert_int_equal(at(l, "192.0.2.80", 5000), DROPPER);
	assert_int_equal(vip_map_id(w->dp, "v0"), id[0]);
	assert_int_equal(vip_map_id(w->dp, "v1"), id[1]);
	/* What changed meanwhile. */
	dataplane_close(w->dp);
	w->dp = lab_dataplane(w->lab, &w->conf_dp);
	assert_int_equal(dataplane_attach(w->dp, &w->conf_dp), 0);
	apply(l, 1);
	assert_int_equal(at(l, "192.0.2.80", 5000), SENDER);
	assert_int_equal(entries(l, "vip_wide"), 1);
}

int main(void)
{
	/* One lab for all: each begins without vips. */
#define TEST(fn) cmocka_unit_test_setup(fn, without_vips)
	const struct CMUnitTest tests[] = {
		TEST(a_vip_becomes_wider_and_narrower),
		TEST(one_inside_another_comes_and_goes),
		TEST(fragments_to_a_plain_vip_are_balanced),
		TEST(a_listener_inside_keeps_its_place),
		TEST(the_next_agent_adopts_them),
	};

	return cmocka_run_group_tests(tests, wide_open, wide_close);
}
