/* SPDX-License-Identifier: BSD-2-Clause */
/* harness: alone */
/* What detaching takes off, and what it leaves. */
#include "dataplane_lab.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static struct conf_device edge(enum conf_attach how)
{
	return (struct conf_device) { .name = "edge0", .attach = how };
}

static void attach(struct dataplane *dp, const struct conf_dataplane *c)
{
	const struct dataplane_device *d;

	if (dataplane_attach(dp, c) == 0)
		return;
	dataplane_devices(dp, &d);
	fail_msg("attach: %s", d->error);
}

static void a_device_that_is_not_wanted_any_more_is_detached(void **state)
{
	struct conf_device dev = edge(CONF_ATTACH_AUTO);
	struct conf_dataplane c = lab_conf(&dev), none = lab_conf(NULL);
	struct lab *l = *state;
	struct dataplane *dp = lab_dataplane(l, &c);

	attach(dp, &c);
	dataplane_close(dp);
	dp = lab_dataplane(l, &none);
	assert_int_equal(dataplane_attach(dp, &none), 0);
	assert_int_equal(lab_xdp_on("edge0"), 0);
	assert_false(lab_has_pin(l, "link_edge0_xdp"));
	dataplane_close(dp);
}

static void detach_all_leaves_nothing(void **state)
{
	struct conf_device dev = edge(CONF_ATTACH_AUTO);
	struct conf_dataplane c = lab_conf(&dev);
	struct lab *l = *state;
	struct dataplane *dp = lab_dataplane(l, &c);
	struct errmsg err;

	attach(dp, &c);
	/* Also while an agent holds the link open. */
	assert_int_equal(dataplane_detach_all(l->dir_fd, &err), 0);
	assert_int_equal(lab_pins(l), 0);
	assert_int_equal(lab_xdp_on("edge0"), 0);
	dataplane_close(dp);
	assert_int_equal(dataplane_detach_all(l->dir_fd, &err), 0);
}

static void detach_looks_for_the_devices_first(void **state)
{
	struct conf_device dev = edge(CONF_ATTACH_LIBXDP);
	struct conf_dataplane c = lab_conf(&dev);
	struct lab *l = *state;
	struct dataplane *dp = lab_dataplane(l, &c);
	const char *warnings[DATAPLANE_WARNINGS_MAX];
	struct errmsg err;
	int pins, other;

	attach(dp, &c);
	dataplane_close(dp);
	pins = lab_pins(l);
	other = lab_netns_new();
	/* with a device of the same name, too, which is not the one */
	for (int i = 0; i < 2; i++) {
		lab_enter(other);
		if (i)
			lab_run("ip link add edge0 type veth peer name far0");
		assert_int_equal(dataplane_detach_all(l->dir_fd, &err), -EXDEV);
		assert_non_null(strstr(err.text, "edge0 is in another network namespace"));
		assert_int_equal(lab_pins(l), pins);
		lab_enter(l->netns);
		assert_int_not_equal(lab_xdp_on("edge0"), 0);
	}
	lab_enter(other);
	dp = lab_dataplane(l, &c);
	assert_true(dataplane_warnings(dp, warnings, DATAPLANE_WARNINGS_MAX) > 0);
	assert_non_null(strstr(warnings[0], "edge0 was attached from another network namespace"));
	dataplane_close(dp);
	lab_enter(l->netns);
	close(other);
	dp = lab_dataplane(l, &c); /* back: they are this agent's again */
	dataplane_close(dp);
	assert_int_equal(dataplane_detach_all(l->dir_fd, &err), 0);
	assert_int_equal(lab_xdp_on("edge0"), 0);
	assert_int_equal(lab_pins(l), 0);
}

static void a_device_that_is_gone_does_not_stop_detaching(void **state)
{
	struct conf_device dev = edge(CONF_ATTACH_LIBXDP);
	struct conf_dataplane c = lab_conf(&dev);
	struct lab *l = *state;
	struct dataplane *dp = lab_dataplane(l, &c);
	struct errmsg err;

	attach(dp, &c);
	dataplane_close(dp);
	lab_run("ip link del edge0");
	assert_int_equal(dataplane_detach_all(l->dir_fd, &err), 0);
	assert_int_equal(lab_pins(l), 0);
}

static void detach_leaves_what_others_pinned(void **state)
{
	struct conf_device dev = edge(CONF_ATTACH_AUTO);
	struct conf_dataplane c = lab_conf(&dev);
	struct lab *l = *state;
	struct dataplane *dp = lab_dataplane(l, &c);
	struct errmsg err;

	attach(dp, &c);
	dataplane_close(dp);
	lab_run("bpftool map create %s/theirs type array key 4 value 4 entries 1 name theirs",
		l->dir);
	assert_int_equal(dataplane_detach_all(l->dir_fd, &err), 0);
	assert_int_equal(lab_pins(l), 1);
	lab_run("rm %s/theirs", l->dir);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, lab_open, lab_close)
	const struct CMUnitTest tests[] = {
		TEST(a_device_that_is_not_wanted_any_more_is_detached),
		TEST(detach_all_leaves_nothing),
		TEST(detach_looks_for_the_devices_first),
		TEST(a_device_that_is_gone_does_not_stop_detaching),
		TEST(detach_leaves_what_others_pinned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
