/* SPDX-License-Identifier: BSD-2-Clause */
/* Backends behind outer headers: their next hop, source and MTU, as the maps get them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <cmocka.h>
#include <net/if.h>
#include <netinet/in.h>

#include "dataplane/dataplane_state.h"
#include "dataplane/vip_map.h"
#include "dataplane_lab.h"

/* The edge has device edge1 to a router, behind which is the backend. */
struct world {
	struct lab *lab;
	struct dataplane *dp;
	struct conf_device device;
	struct conf_dataplane conf_dp;
	int netns;
	struct conf_backend backend;
	struct conf_vip vip;
	struct conf conf;
	struct backend want; /* that the map has to have */
	const char *says;    /* that the state has to be */
};

static int world_open(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	static char name[] = "b", web[] = "web";

	assert_non_null(w);
	lab_open((void **)&w->lab);
	w->netns = lab_netns_new();
	lab_host(w->netns, "edge1", "eth0", "10.0.1.11/24");
	lab_run("ip addr add 10.0.1.1/24 dev edge1 && ip addr add 2001:db8:1::1/64 dev edge1 nodad "
		"&& ip route add 172.16.0.0/12 via 10.0.1.11 && "
		"ip route add 2001:db8:99::/48 via 2001:db8:1::11");
	lab_enter(w->netns);
	lab_run("ip addr add 2001:db8:1::11/64 dev eth0 nodad && "
		"ip link set eth0 address 02:00:00:00:11:11");
	lab_enter(w->lab->netns);
	w->device = (struct conf_device) { .name = "edge0" };
	w->conf_dp = lab_conf(&w->device);
	w->dp = lab_dataplane(w->lab, &w->conf_dp);
	w->backend = (struct conf_backend) { .name = name,
					     .address = lab_addr("172.16.0.9"),
					     .weight = 1 };
	w->vip = (struct conf_vip) { .name = web,
				     .address = lab_addr("192.0.2.80"),
				     .port = 80,
				     .protocol = IPPROTO_TCP,
				     .mode = BACKEND_IPIP,
				     .gue_port = 6080,
				     .backends = &w->backend,
				     .n_backends = 1 };
	w->conf = (struct conf) { .vips = &w->vip, .n_vips = 1 };
	w->want = (struct backend) { .addr = w->backend.address,
				     .source = lab_addr("10.0.1.1"),
				     .ifindex = if_nametoindex("edge1"),
				     .mtu = 1500 - 20,
				     .flags = BACKEND_READY,
				     .mode = BACKEND_IPIP,
				     .generation = 1,
				     .dst_mac = { 2, 0, 0, 0, 0x11, 0x11 },
				     .vip_id = 1 };
	*state = w;
	return 0;
}

static int world_close(void **state)
{
	struct world *w = *state;

	dataplane_close(w->dp);
	close(w->netns);
	lab_close((void **)&w->lab);
	free(w);
	return 0;
}

static void apply(struct world *w)
{
	struct errmsg err = { 0 };

	if (vip_map_apply(w->dp, w->lab->loop, &w->conf, &err))
		fail_msg("vip_map_apply: %s", err.text);
}

static struct vip_backend_state state_now(struct world *w)
{
	struct vip_backend_state s;

	assert_int_equal(vip_map_backends(w->dp, "web", &s, 1), 1);
	return s;
}

static bool is_as_wanted(void *ctx)
{
	struct world *w = ctx;
	uint32_t id = state_now(w).id;
	struct backend b;

	assert_int_equal(bpf_map_lookup_elem(pinned_map_fd(w->dp, "backends"), &id, &b), 0);
	memcpy(w->want.src_mac, b.src_mac, 6); /* the device's own */
	return memcmp(&b, &w->want, sizeof(b)) == 0 && state_now(w).slots > 0;
}

static bool is_said(void *ctx)
{
	struct world *w = ctx;
	struct vip_backend_state s = state_now(w);

	return strstr(s.state, w->says) && s.slots == 0;
}

static void a_gateway_is_the_next_hop(void **state)
{
	struct world *w = *state;

	apply(w);
	lab_until(w->lab, is_as_wanted, w);
	/* By hardware address it is out of reach. */
	w->vip.mode = BACKEND_L2;
	w->says = "172.16.0.9 is behind a gateway";
	apply(w);
	lab_until(w->lab, is_said, w);
}

/* A reload alone changes it; with the MTU it changes as well. */
static void a_segment_size_is_what_fits_or_what_is_said(void **state)
{
	struct world *w = *state;

	w->vip.mss_clamp = CONF_MSS_AUTO;
	w->want.mss = 1500 - 20 - 40;
	apply(w);
	lab_until(w->lab, is_as_wanted, w);
	w->vip.mss_clamp = 1300;
	w->want.mss = 1300;
	apply(w);
	lab_until(w->lab, is_as_wanted, w);
	w->vip.mss_clamp = 0;
	w->want.mss = 0;
	apply(w);
	lab_until(w->lab, is_as_wanted, w);
	w->vip.mss_clamp = CONF_MSS_AUTO;
	apply(w);
	lab_run("ip route replace 172.16.0.0/12 via 10.0.1.11 mtu 1400");
	w->want.mtu = 1400 - 20;
	w->want.mss = 1400 - 20 - 40;
	lab_until(w->lab, is_as_wanted, w);
}

static void gue_has_its_port_and_source(void **state)
{
	struct world *w = *state;

	w->vip.mode = BACKEND_GUE;
	w->vip.gue_port = 7000;
	w->vip.has_source = true;
	w->vip.source = lab_addr("198.51.100.1");
	w->want.mode = BACKEND_GUE;
	w->want.mtu = 1500 - 28;
	w->want.port = htons(7000);
	w->want.source = w->vip.source;
	apply(w);
	lab_until(w->lab, is_as_wanted, w);
}

static void ipv4_goes_to_ipv6_backends(void **state)
{
	struct world *w = *state;

	w->backend.address = w->want.addr = lab_addr("2001:db8:99::9");
	w->want.source = lab_addr("2001:db8:1::1");
	w->want.mtu = 1500 - 40;
	apply(w);
	lab_until(w->lab, is_as_wanted, w);
}

static void an_mtu_that_leaves_too_little_is_said(void **state)
{
	struct world *w = *state;

	apply(w);
	lab_until(w->lab, is_as_wanted, w);
	lab_run("ip link set edge1 mtu 595");
	w->says = "MTU 595 less 20 of outer headers is under 576";
	lab_until(w->lab, is_said, w);
	lab_run("ip link set edge1 mtu 596");
	w->want.mtu = 576;
	lab_until(w->lab, is_as_wanted, w);
}

/* The agent after it takes over what is pinned, and another mode changes the record alone. */
static void a_restart_and_another_mode_keep_the_id(void **state)
{
	struct world *w = *state;

	apply(w);
	lab_until(w->lab, is_as_wanted, w);
	dataplane_close(w->dp);
	w->dp = lab_dataplane(w->lab, &w->conf_dp);
	apply(w);
	assert_true(is_as_wanted(w));
	w->vip.mode = w->want.mode = BACKEND_GUE;
	w->want.mtu = 1500 - 28;
	w->want.port = htons(6080);
	apply(w);
	assert_true(is_as_wanted(w));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_gateway_is_the_next_hop),
		TEST(a_segment_size_is_what_fits_or_what_is_said),
		TEST(gue_has_its_port_and_source),
		TEST(ipv4_goes_to_ipv6_backends),
		TEST(an_mtu_that_leaves_too_little_is_said),
		TEST(a_restart_and_another_mode_keep_the_id),
	};

	return cmocka_run_group_tests_name("dataplane_encap", tests, NULL, NULL);
}
