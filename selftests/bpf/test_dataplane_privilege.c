/* SPDX-License-Identifier: BSD-2-Clause */
/* harness: alone */
/* The supervisor is not root: an O_PATH descriptor and three capabilities have to be enough. */
#include "dataplane_lab.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dataplane/acl_map.h"
#include "dataplane/event_map.h"
#include "dataplane/limit_map.h"
#include "dataplane/meter_map.h"
#include "dataplane/stats_map.h"
#include "dataplane/vip_map.h"

#define NOBODY 65534

static const capng_type_t BOTH = CAPNG_EFFECTIVE | CAPNG_PERMITTED;

/* Become nobody with (or without) the supervisor's capabilities; not dumpable, as it is. */
static int drop(bool with_capabilities)
{
	capng_clear(CAPNG_SELECT_BOTH);
	if (with_capabilities) {
		capng_update(CAPNG_ADD, BOTH, CAP_BPF);
		capng_update(CAPNG_ADD, BOTH, CAP_NET_ADMIN);
		capng_update(CAPNG_ADD, BOTH, CAP_PERFMON);
	}
	if (capng_change_id(NOBODY, NOBODY, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING))
		return -1;
	return prctl(PR_SET_DUMPABLE, 0);
}

static void on_event(const struct event *e, void *ctx)
{
	(void)e;
	(void)ctx;
}

/* What the supervisor does with the kernel; the step that failed, or 0. */
static int supervise(struct lab *l, enum conf_hook hook, struct errmsg *err)
{
	struct conf_device dev = { .name = "edge0", .hook = hook };
	struct conf_dataplane c = lab_conf(&dev);
	struct prefix all = lab_prefix("0.0.0.0/0");
	struct conf_limit limit = { .name = "all",
				    .sources = &all,
				    .n_sources = 1,
				    .rows = 256,
				    .unit[LIMIT_PACKETS] = { 10, 1000000000, 5 } };
	struct conf_backend backend = { .name = "b", .address = lab_addr("10.1.2.3"), .weight = 1 };
	struct conf_vip vip = { .name = "v",
				.address = lab_addr("192.0.2.80"),
				.port = 80,
				.protocol = 6,
				.backends = &backend,
				.n_backends = 1 };
	struct conf conf = { .vips = &vip, .n_vips = 1, .limits = &limit, .n_limits = 1 };
	struct prefix p = lab_prefix("10.0.0.0/8");
	struct stats_count counts[DROP_REASON_COUNT];
	struct dataplane *dp;
	size_t bytes;

	if (dataplane_open(l->dir_fd, &c, &dp, err))
		return 1;
	if (dataplane_attach(dp, &c)) {
		const struct dataplane_device *d;

		dataplane_devices(dp, &d);
		snprintf(err->text, sizeof(err->text), "%s", d->error);
		return 2;
	}
	if (limit_map_apply(dp, &conf, err))
		return 3;
	if (acl_map_apply_conf(dp, &conf.acl, err) ||
	    acl_map_add(dp, ACL_LIST_ALLOW, &p, ACL_FROM_OPERATOR))
		return 4;
	if (meter_map_slot(dp, "a/b") <= 0 || meter_map_fd(dp, &bytes) < 0)
		return 5;
	if (event_map_start(dp, l->loop, on_event, NULL))
		return 6;
	if (stats_map_drops(dp, counts))
		return 7;
	if (vip_map_apply(dp, l->loop, &conf, err) || loop_turn(l->loop, 10))
		return 8;
	if (dataplane_watch(dp, l->loop))
		return 9;
	dataplane_close(dp);
	return 0;
}

/* In a child, since capabilities do not come back. */
static void run_dropped(struct lab *l, bool with_capabilities, enum conf_hook hook, int want)
{
	struct errmsg err = { 0 };
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int step = drop(with_capabilities) ? 100 : supervise(l, hook, &err);

		if (step == 2 && !strstr(err.text, "CAP_SYS_ADMIN"))
			step = 102;
		if (step != want)
			fprintf(stderr, "step %d: %s\n", step, err.text);
		_exit(step);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), want);
}

static void give_directory(struct lab *l)
{
	assert_int_equal(chown(l->dir, NOBODY, NOBODY), 0);
}

static void three_capabilities_are_enough_for_xdp(void **state)
{
	struct lab *l = *state;
	uint32_t link_id;

	give_directory(l);
	run_dropped(l, true, CONF_HOOK_XDP, 0);
	link_id = lab_link_id(l, "link_edge0_xdp");
	run_dropped(l, true, CONF_HOOK_XDP, 0);
	assert_int_equal(lab_link_id(l, "link_edge0_xdp"), link_id);
}

static void three_capabilities_are_enough_for_tc(void **state)
{
	struct lab *l = *state;

	give_directory(l);
	run_dropped(l, true, CONF_HOOK_TC, 0);
	run_dropped(l, true, CONF_HOOK_TC, 0);
}

static void a_shared_device_says_what_is_missing(void **state)
{
	const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 2 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "somebodys", "GPL", pass, 2, NULL);
	struct lab *l = *state;
	uint32_t id;

	assert_true(fd >= 0);
	assert_int_equal(bpf_xdp_attach((int)if_nametoindex("edge0"), fd, XDP_FLAGS_DRV_MODE, NULL),
			 0);
	close(fd);
	id = lab_xdp_on("edge0");
	give_directory(l);
	run_dropped(l, true, CONF_HOOK_XDP, 2);
	assert_int_equal(lab_xdp_on("edge0"), id);
}

static void without_them_nothing_is_left_behind(void **state)
{
	struct lab *l = *state;

	give_directory(l);
	run_dropped(l, false, CONF_HOOK_XDP, 1);
	assert_int_equal(lab_pins(l), 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, lab_open, lab_close)
	const struct CMUnitTest tests[] = {
		TEST(three_capabilities_are_enough_for_xdp),
		TEST(three_capabilities_are_enough_for_tc),
		TEST(a_shared_device_says_what_is_missing),
		TEST(without_them_nothing_is_left_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
