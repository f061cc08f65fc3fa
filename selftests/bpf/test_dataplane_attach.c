/* SPDX-License-Identifier: BSD-2-Clause */
/* harness: alone */
/* Attach, adopt and refuse, on a veth. */
#include "dataplane_lab.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/clock.h"
#include "dataplane/acl_map.h"
#include "dataplane/dataplane_state.h"
#include "dataplane/link_tc.h"
#include "dataplane/pin.h"
#include "dataplane/program.h"
#include "dataplane/stats_map.h"
#include "sluice/abi/source.h"

static struct conf_device edge(enum conf_hook hook, enum conf_xdp_mode mode, enum conf_attach how)
{
	return (struct conf_device) { .name = "edge0", .hook = hook, .mode = mode, .attach = how };
}

static const struct dataplane_device *device_of(struct dataplane *dp)
{
	const struct dataplane_device *d;

	assert_int_equal(dataplane_devices(dp, &d), 1);
	return d;
}

static const struct dataplane_device *attach(struct dataplane *dp, const struct conf_dataplane *c)
{
	int failed = dataplane_attach(dp, c);
	const struct dataplane_device *d = device_of(dp);

	if (failed)
		fail_msg("attach: %d, %s", failed, d->error);
	return d;
}

/* Send n frames into client0, whose other end is edge0. */
static void send_frames(int n)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_ifindex = (int)if_nametoindex("client0"),
				  .sll_halen = 6 };
	struct lab_frame f = lab_ipv4("192.0.2.7", "192.0.2.1", 17, 1000, 2000);
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), i;

	assert_true(fd >= 0);
	for (i = 0; i < n; i++)
		assert_int_equal(sendto(fd, f.bytes, f.n, 0, (struct sockaddr *)&to, sizeof(to)),
				 f.n);
	close(fd);
}

struct seen {
	struct dataplane *dp;
	uint64_t packets;
};

static uint64_t packets_seen(struct dataplane *dp)
{
	struct stats_count drops[DROP_REASON_COUNT];

	assert_int_equal(stats_map_drops(dp, drops), 0);
	return drops[0].packets;
}

static bool has_seen(void *ctx)
{
	const struct seen *s = ctx;

	return packets_seen(s->dp) >= s->packets;
}

static void attaches_native_xdp_and_pins_all(void **state)
{
	struct conf_device dev = edge(CONF_HOOK_XDP, CONF_XDP_AUTO, CONF_ATTACH_AUTO);
	struct conf_dataplane c = lab_conf(&dev);
	struct lab *l = *state;
	struct dataplane *dp = lab_dataplane(l, &c);
	const struct dataplane_device *d = attach(dp, &c);
	struct seen s = { dp, 0 };

	assert_false(dataplane_adopted(dp));
	assert_true(d->attached && d->native);
	assert_false(d->adopted || d->through_libxdp);
	assert_int_equal(d->prog_id, lab_xdp_on("edge0"));
	assert_true(lab_has_pin(l, "clients") && lab_has_pin(l, "layout"));
	assert_true(lab_has_pin(l, "link_edge0_xdp") && lab_has_pin(l, "prog_xdp_ingress"));
	/* No device wants it: it is not even loaded. */
	assert_int_equal(dp->tc.fd, -1);
	assert_false(lab_has_pin(l, "prog_tc_ingress"));
	s.packets = packets_seen(dp) + 10;
	send_frames(10);
	lab_until(l, has_seen, &s);
	dataplane_close(dp);
	assert_int_not_equal(lab_xdp_on("edge0"), 0);
}

static void a_second_start_adopts_contents_counters_and_link(void **state)
{
	struct conf_device dev = edge(CONF_HOOK_XDP, CONF_XDP_AUTO, CONF_ATTACH_AUTO);
	struct conf_dataplane c = lab_conf(&dev);
	struct lab *l = *state;
	struct dataplane *dp = lab_dataplane(l, &c);
	struct prefix p = lab_prefix("198.51.100.0/24");
	const uint8_t *answers;
	struct seen s = { dp, 50 };
	uint32_t link_id, prog_id;
	uint64_t seen;

	attach(dp, &c);
	assert_int_equal(acl_map_add(dp, ACL_LIST_ALLOW, &p, ACL_FROM_OPERATOR), 0);
	send_frames(50);
	lab_until(l, has_seen, &s);
	link_id = lab_link_id(l, "link_edge0_xdp");
	prog_id = lab_xdp_on("edge0");
	seen = packets_seen(dp);
	dataplane_close(dp);

	dp = lab_dataplane(l, &c);
	assert_true(dataplane_adopted(dp));
	assert_true(attach(dp, &c)->adopted);
	assert_int_equal(lab_link_id(l, "link_edge0_xdp"), link_id);
	assert_int_not_equal(lab_xdp_on("edge0"), prog_id);
	assert_int_equal(lab_xdp_on("edge0"), lab_prog_id(l, "prog_xdp_ingress"));
	assert_true(packets_seen(dp) >= seen);
	answers = pinned_map_mem(dp, "source_v4");
	assert_non_null(answers);
	assert_int_equal(answers[198 << 16 | 51 << 8 | 100], SOURCE_ALLOW);
	assert_int_equal(acl_map_add(dp, ACL_LIST_DENY, &p, ACL_FROM_OPERATOR), -EAGAIN);
	dataplane_close(dp);
}

/* Every packet that is sent meets a program that counts in the same map: nothing is missed. */
static void no_packet_passes_uncounted_while_agents_change(void **state)
{
	struct conf_device dev = edge(CONF_HOOK_XDP, CONF_XDP_AUTO, CONF_ATTACH_AUTO);
	struct conf_dataplane c = lab_conf(&dev);
	struct lab *l = *state;
	struct dataplane *dp;
	const int frames = 60000;
	struct seen s;
	uint64_t before;
	int status, starts = 0;
	pid_t sender;

	/* Autoconfiguration sends packets of its own: silence it. */
	lab_run("sysctl -qw net.ipv6.conf.client0.disable_ipv6=1 "
		"net.ipv6.conf.edge0.disable_ipv6=1");
	dp = lab_dataplane(l, &c);
	attach(dp, &c);
	before = packets_seen(dp);
	sender = fork();
	assert_true(sender >= 0);
	if (sender == 0) {
		send_frames(frames);
		_exit(0);
	}
	while (waitpid(sender, &status, WNOHANG) == 0) {
		dataplane_close(dp);
		dp = lab_dataplane(l, &c);
		attach(dp, &c);
		starts++;
	}
	assert_int_equal(status, 0);
	assert_true(starts > 0);
	s = (struct seen) { dp, before + (uint64_t)frames };
	lab_until(l, has_seen, &s);
	assert_int_equal(packets_seen(dp), before + (uint64_t)frames);
	dataplane_close(dp);
}

static bool has_warning(struct dataplane *dp, const char *text)
{
	const char *warnings[DATAPLANE_WARNINGS_MAX];
	size_t n = dataplane_warnings(dp, warnings, DATAPLANE_WARNINGS_MAX), i;

	for (i = 0; i < n; i++) {
		if (strstr(warnings[i], text))
			return true;
	}
	return false;
}

static void generic_mode_is_taken_when_asked_for(void **state)
{
	struct conf_device dev = edge(CONF_HOOK_XDP, CONF_XDP_GENERIC, CONF_ATTACH_LINK);
	struct conf_dataplane c = lab_conf(&dev);
	struct lab *l = *state;
	struct dataplane *dp = lab_dataplane(l, &c);

	assert_false(attach(dp, &c)->native);
	assert_true(has_warning(dp, "`ethtool -K edge0 rxvlan off`"));
	/* Another mode cannot be had without detaching. */
	dev.mode = CONF_XDP_NATIVE;
	assert_true(attach(dp, &c)->native);
	assert_false(has_warning(dp, "rxvlan"));
	dataplane_close(dp);
}

/* A bridge has no XDP in its driver. */
static void generic_mode_is_the_fallback_with_a_warning(void **state)
{
	struct conf_device dev = { .name = "plain0" };
	struct conf_dataplane c = lab_conf(&dev);
	struct lab *l = *state;
	struct dataplane *dp = lab_dataplane(l, &c);

	lab_run("ip link add plain0 type bridge && ip link set plain0 up");
	assert_false(attach(dp, &c)->native);
	assert_true(has_warning(dp, "plain0 runs generic XDP"));
	assert_true(has_warning(dp, "driver bridge"));
	dev.mode = CONF_XDP_NATIVE;
	assert_int_equal(dataplane_attach(dp, &c), 1);
	assert_non_null(strstr(device_of(dp)->error, "native XDP is refused on plain0"));
	dataplane_close(dp);
}

static void tc_replaces_xdp_and_back(void **state)
{
	struct conf_device dev = edge(CONF_HOOK_XDP, CONF_XDP_AUTO, CONF_ATTACH_AUTO);
	struct conf_dataplane c = lab_conf(&dev);
	struct lab *l = *state;
	struct dataplane *dp = lab_dataplane(l, &c);
	struct seen s = { dp, 0 };
	uint32_t id;

	attach(dp, &c);
	dev.hook = CONF_HOOK_TC;
	assert_int_equal(attach(dp, &c)->hook, CONF_HOOK_TC);
	assert_int_equal(lab_xdp_on("edge0"), 0);
	id = lab_prog_id(l, "prog_tc_ingress");
	s.packets = packets_seen(dp) + 5;
	send_frames(5);
	lab_until(l, has_seen, &s);
	dataplane_close(dp);
	dp = lab_dataplane(l, &c);
	/* In force: the next agent's took its place before a device was asked for. */
	assert_int_not_equal(lab_prog_id(l, "prog_tc_ingress"), id);
	assert_true(attach(dp, &c)->adopted);
	dev.hook = CONF_HOOK_XDP;
	attach(dp, &c);
	assert_int_not_equal(lab_xdp_on("edge0"), 0);
	assert_false(lab_has_pin(l, "link_edge0_tc"));
	assert_false(lab_has_pin(l, "prog_tc_ingress"));
	assert_int_equal(dp->tc.fd, -1);
	dataplane_close(dp);
}

/* As for the first device that wants it. */
static void load_tc(struct dataplane *dp)
{
	struct errmsg err = { 0 };

	assert_int_equal(program_load_late(dp, PROGRAM_TC, &err), 0);
	assert_int_equal(pin_replace(dp->dir_fd, PIN_PROG "tc_ingress", dp->tc.fd), 0);
}

static void without_tcx_a_filter_is_replaced_and_removed(void **state)
{
	struct conf_device dev = edge(CONF_HOOK_TC, CONF_XDP_AUTO, CONF_ATTACH_AUTO);
	struct conf_dataplane c = lab_conf(NULL);
	struct lab *l = *state;
	struct dataplane *dp = lab_dataplane(l, &c);
	struct device d = { .want = dev, .link_fd = -1 };
	struct seen s = { dp, 0 };
	struct errmsg err;

	strcpy(d.state.name, "edge0");
	d.state.ifindex = if_nametoindex("edge0");
	load_tc(dp);
	assert_int_equal(link_tc_attach_clsact(dp, &d, LINK_TC_INGRESS, &err), 0);
	assert_false(d.state.adopted);
	s.packets = packets_seen(dp) + 5;
	send_frames(5);
	lab_until(l, has_seen, &s);
	dataplane_close(dp);

	dp = lab_dataplane(l, &c);
	assert_int_equal(link_tc_attach_clsact(dp, &d, LINK_TC_INGRESS, &err), 0);
	assert_true(d.state.adopted && d.state.clsact);
	lab_run("test $(tc filter show dev edge0 ingress | grep -c 'handle 0x1 tc_ingress') = 1");
	assert_int_equal(link_tc_detach_clsact(l->dir_fd, "edge0", LINK_TC_INGRESS), 0);
	lab_run("test -z \"$(tc filter show dev edge0 ingress)\"");
	/* Another's filter at our place stays. */
	lab_run("tc filter add dev edge0 ingress pref 20942 handle 1 bpf da object-pinned "
		"%s/prog_tc_ingress",
		l->dir);
	assert_int_equal(link_tc_attach_clsact(dp, &d, LINK_TC_INGRESS, &err), -EBUSY);
	assert_non_null(strstr(err.text, "tc filter del dev edge0 ingress pref 20942"));
	dataplane_close(dp);
}

/* On what goes out: taken over, kept through a change of the hook, taken off, and by detaching. */
static void egress_is_attached_adopted_and_removed(void **state)
{
	struct conf_device dev = edge(CONF_HOOK_XDP, CONF_XDP_AUTO, CONF_ATTACH_AUTO);
	struct conf_dataplane c = lab_conf(&dev);
	struct lab *l = *state;
	struct dataplane *dp = lab_dataplane(l, &c);
	uint64_t ns, runs;
	struct errmsg err;
	uint32_t id;

	assert_false(attach(dp, &c)->egress);
	assert_false(lab_has_pin(l, "link_edge0_egress"));
	/* Nobody wants it: it is not even loaded. */
	assert_int_equal(dp->egress.fd, -1);
	assert_int_equal(dataplane_prog_stats(dp, &ns, &runs), 0);
	assert_int_equal(dataplane_attach_egress(dp, false), 0);
	assert_int_equal(dataplane_attach_egress(dp, true), 0);
	assert_true(device_of(dp)->egress);
	assert_true(lab_has_pin(l, "prog_tc_egress"));
	id = dp->egress.id;
	assert_true(lab_has_pin(l, "link_edge0_egress") || lab_has_pin(l, "egress_edge0"));
	dataplane_close(dp);

	dp = lab_dataplane(l, &c);
	dev.hook = CONF_HOOK_TC;
	attach(dp, &c);
	/* Until it is known what is wanted, what is there stays, with the new agent's program. */
	assert_true(lab_has_pin(l, "link_edge0_egress") || lab_has_pin(l, "egress_edge0"));
	assert_int_not_equal(lab_prog_id(l, "prog_tc_egress"), id);
	assert_int_equal(dataplane_attach_egress(dp, true), 0);
	assert_true(device_of(dp)->egress);
	assert_int_equal(dataplane_attach_egress(dp, false), 0);
	assert_false(device_of(dp)->egress);
	assert_false(lab_has_pin(l, "link_edge0_egress") || lab_has_pin(l, "egress_edge0") ||
		     lab_has_pin(l, "prog_tc_egress"));
	assert_int_equal(dataplane_attach_egress(dp, true), 0);
	dataplane_close(dp);
	assert_int_equal(dataplane_detach_all(l->dir_fd, &err), 0);
	assert_false(lab_has_pin(l, "link_edge0_egress") || lab_has_pin(l, "egress_edge0") ||
		     lab_has_pin(l, "prog_tc_egress"));
}

static void without_tcx_egress_is_a_filter_of_its_own(void **state)
{
	struct conf_device dev = edge(CONF_HOOK_TC, CONF_XDP_AUTO, CONF_ATTACH_AUTO);
	struct conf_dataplane c = lab_conf(NULL);
	struct lab *l = *state;
	struct dataplane *dp = lab_dataplane(l, &c);
	struct device d = { .want = dev, .link_fd = -1, .egress_fd = -1 };
	struct errmsg err;

	strcpy(d.state.name, "edge0");
	d.state.ifindex = if_nametoindex("edge0");
	assert_int_equal(program_load_late(dp, PROGRAM_EGRESS, &err), 0);
	assert_int_equal(link_tc_attach_clsact(dp, &d, LINK_TC_EGRESS, &err), 0);
	assert_true(d.state.egress_clsact);
	load_tc(dp);
	assert_int_equal(link_tc_attach_clsact(dp, &d, LINK_TC_INGRESS, &err), 0);
	lab_run("test $(tc filter show dev edge0 egress | grep -c 'handle 0x1 tc_egress') = 1");
	dataplane_close(dp);
	/* The next program replaces it. */
	dp = lab_dataplane(l, &c);
	assert_int_equal(program_load_late(dp, PROGRAM_EGRESS, &err), 0);
	assert_int_equal(link_tc_attach_clsact(dp, &d, LINK_TC_EGRESS, &err), 0);
	lab_run("test $(tc filter show dev edge0 egress | grep -c 'handle 0x1 tc_egress') = 1");
	assert_int_equal(link_tc_detach_clsact(l->dir_fd, "edge0", LINK_TC_EGRESS), 0);
	lab_run("test -z \"$(tc filter show dev edge0 egress)\"");
	lab_run("test -n \"$(tc filter show dev edge0 ingress)\"");
	assert_int_equal(link_tc_detach_clsact(l->dir_fd, "edge0", LINK_TC_INGRESS), 0);
	dataplane_close(dp);
}

static bool is_attached(void *ctx)
{
	const struct dataplane_device *d = device_of(ctx);

	return d->attached && d->ifindex == if_nametoindex(d->name);
}

static void a_device_is_attached_when_it_appears_and_comes_back(void **state)
{
	struct conf_device dev = { .name = "late0.7" };
	struct conf_dataplane c = lab_conf(&dev);
	struct lab *l = *state;
	struct dataplane *dp = lab_dataplane(l, &c);
	uint32_t ifindex;

	assert_int_equal(dataplane_attach(dp, &c), 1);
	assert_int_equal(device_of(dp)->ifindex, 0);
	assert_non_null(strstr(device_of(dp)->error, "no device late0.7"));
	assert_int_equal(dataplane_watch(dp, l->loop), 0);
	lab_run("ip link add late0.7 type veth peer name late1 && ip link set late0.7 up");
	lab_until(l, is_attached, dp);
	ifindex = device_of(dp)->ifindex;
	lab_run("ip link del late0.7 && ip link add late0.7 type veth peer name late1");
	lab_until(l, is_attached, dp);
	assert_int_not_equal(device_of(dp)->ifindex, ifindex);
	assert_int_equal(lab_xdp_on("late0.7"), device_of(dp)->prog_id);
	dataplane_close(dp);
}

static int foreign_program(void)
{
	const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 2 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "somebodys", "GPL", pass, 2, NULL);

	assert_true(fd >= 0);
	return fd;
}

static void anothers_program_is_named_and_left_alone(void **state)
{
	struct conf_device dev = edge(CONF_HOOK_XDP, CONF_XDP_AUTO, CONF_ATTACH_LINK);
	struct conf_dataplane c = lab_conf(&dev);
	struct lab *l = *state;
	struct dataplane *dp = lab_dataplane(l, &c);
	int fd = foreign_program();
	uint32_t id;

	assert_int_equal(bpf_xdp_attach((int)if_nametoindex("edge0"), fd, XDP_FLAGS_DRV_MODE, NULL),
			 0);
	id = lab_xdp_on("edge0");
	assert_int_equal(dataplane_attach(dp, &c), 1);
	assert_non_null(strstr(device_of(dp)->error, "(somebodys)"));
	assert_non_null(strstr(device_of(dp)->error, "ip link set dev edge0 xdp off"));
	assert_int_equal(lab_xdp_on("edge0"), id);
	/* auto would share by a dispatcher, which this kernel refuses: still nothing is lost. */
	dev.attach = CONF_ATTACH_AUTO;
	if (dataplane_attach(dp, &c)) {
		assert_non_null(strstr(device_of(dp)->error, "libxdp cannot share edge0"));
		/* not cut off, however long what libxdp says is */
		assert_non_null(strstr(device_of(dp)->error, "ip link set dev edge0 xdp off"));
		assert_int_equal(lab_xdp_on("edge0"), id);
	} else {
		assert_true(device_of(dp)->through_libxdp);
	}
	lab_run("ip link set dev edge0 xdp off");
	dev.attach = CONF_ATTACH_LINK;
	attach(dp, &c);
	close(fd);
	dataplane_close(dp);
}

static void libxdp_attaches_upgrades_and_detaches(void **state)
{
	struct conf_device dev = edge(CONF_HOOK_XDP, CONF_XDP_AUTO, CONF_ATTACH_LIBXDP);
	struct conf_dataplane c = lab_conf(&dev);
	struct lab *l = *state;
	struct dataplane *dp = lab_dataplane(l, &c);
	struct seen s = { dp, 0 };
	struct errmsg err;
	uint32_t id;

	assert_true(attach(dp, &c)->through_libxdp);
	assert_int_not_equal(lab_xdp_on("edge0"), 0);
	s.packets = packets_seen(dp) + 5;
	send_frames(5);
	lab_until(l, has_seen, &s);
	id = device_of(dp)->prog_id;
	attach(dp, &c);
	assert_int_equal(device_of(dp)->prog_id, id);
	dataplane_close(dp);

	dp = lab_dataplane(l, &c);
	assert_true(attach(dp, &c)->adopted);
	assert_int_not_equal(device_of(dp)->prog_id, id);
	dataplane_close(dp);
	assert_int_equal(dataplane_detach_all(l->dir_fd, &err), 0);
	assert_int_equal(lab_xdp_on("edge0"), 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, lab_open, lab_close)
	const struct CMUnitTest tests[] = {
		TEST(attaches_native_xdp_and_pins_all),
		TEST(a_second_start_adopts_contents_counters_and_link),
		TEST(no_packet_passes_uncounted_while_agents_change),
		TEST(generic_mode_is_taken_when_asked_for),
		TEST(generic_mode_is_the_fallback_with_a_warning),
		TEST(tc_replaces_xdp_and_back),
		TEST(without_tcx_a_filter_is_replaced_and_removed),
		TEST(egress_is_attached_adopted_and_removed),
		TEST(without_tcx_egress_is_a_filter_of_its_own),
		TEST(a_device_is_attached_when_it_appears_and_comes_back),
		TEST(anothers_program_is_named_and_left_alone),
		TEST(libxdp_attaches_upgrades_and_detaches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
