/* SPDX-License-Identifier: BSD-2-Clause */
/* harness: alone own-kernel */
/* Pinned maps of other layouts, of others, and of other sizes. */
#include "dataplane_lab.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/clock.h"
#include "dataplane/acl_map.h"
#include "dataplane/dataplane_state.h"
#include "dataplane/limit_map.h"
#include "dataplane/meter_map.h"
#include "dataplane/program.h"
#include "dataplane/verdict_map.h"
#include "sluice/abi/layout.h"

static int try_open(struct lab *l, const struct conf_dataplane *c, struct errmsg *err)
{
	struct dataplane *dp = NULL;
	int e = dataplane_open(l->dir_fd, c, &dp, err);

	dataplane_close(dp);
	return e;
}

static void put_map(struct lab *l, const char *name, uint32_t key, uint32_t value, uint32_t max)
{
	char path[128];
	int fd = bpf_map_create(BPF_MAP_TYPE_HASH, name, key, value, max, NULL);

	assert_true(fd >= 0);
	snprintf(path, sizeof(path), "%s/%s", l->dir, name);
	assert_int_equal(bpf_obj_pin(fd, path), 0);
	close(fd);
}

static void a_map_that_only_looks_like_ours_is_refused(void **state)
{
	struct conf_dataplane c = lab_conf(NULL);
	struct lab *l = *state;
	struct errmsg err;

	put_map(l, "verdict_source", 20, 32, 1024);
	assert_int_equal(try_open(l, &c, &err), -EPROTO);
	assert_non_null(strstr(err.text, "verdict_source was not made by sluice"));
	assert_int_equal(lab_pins(l), 1);
}

static void a_program_under_a_maps_name_is_refused(void **state)
{
	const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 2 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	struct conf_dataplane c = lab_conf(NULL);
	struct lab *l = *state;
	struct errmsg err;
	char path[128];
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "other", "GPL", pass, 2, NULL);

	snprintf(path, sizeof(path), "%s/clients", l->dir);
	assert_int_equal(bpf_obj_pin(fd, path), 0);
	close(fd);
	assert_int_equal(try_open(l, &c, &err), -EPROTO);
	assert_non_null(strstr(err.text, "clients is not a map"));
}

/* One thing in each kind of map. */
static void put_contents(struct dataplane *dp)
{
	struct conf_limit limit = { .name = "web", .unit[LIMIT_PACKETS] = { 100, NS_PER_S, 10 } };
	struct conf conf = { .limits = &limit, .n_limits = 1 };
	struct prefix deny = lab_prefix("203.0.113.7/32"), source = lab_prefix("192.0.2.1");
	struct client_key key = { .source = lab_addr("192.0.2.1") };
	struct client client = { .proof = CLIENT_PROVEN_COOKIE };
	struct errmsg err;
	uint64_t *words;
	size_t bytes;
	int slot;

	assert_int_equal(acl_map_add(dp, ACL_LIST_DENY, &deny, ACL_FROM_FILE), 0);
	assert_int_equal(
		verdict_map_set(dp, &source, VERDICT_DROP, VERDICT_REASON_OPERATOR, UINT64_MAX), 0);
	assert_int_equal(limit_map_apply(dp, &conf, &err), 0);
	assert_int_equal(bpf_map_update_elem(pinned_map_fd(dp, "clients"), &key, &client, 0), 0);
	slot = meter_map_slot(dp, "alice/requests");
	assert_true(slot > 0);
	assert_true(meter_map_fd(dp, &bytes) >= 0);
	words = pinned_map_mem(dp, "meters");
	words[slot] = 4711;
}

/* Which members they have is not known then. */
static void maps_of_another_layout_number_are_made_anew_under_the_links(void **state)
{
	struct conf_device dev = { .name = "edge0" };
	struct conf_dataplane c = lab_conf(&dev);
	struct lab *l = *state;
	struct dataplane *dp = lab_dataplane(l, &c);
	struct layout layout = { .magic = LAYOUT_MAGIC, .abi = ABI_LAYOUT + 1, .version = "9.9" };
	struct prefix source = lab_prefix("192.0.2.1");
	uint32_t zero = 0, prog_id, link_id;
	struct verdict v;
	size_t pins;

	assert_int_equal(dataplane_attach(dp, &c), 0);
	put_contents(dp);
	assert_int_equal(bpf_map_update_elem(pinned_map_fd(dp, "layout"), &zero, &layout, 0), 0);
	prog_id = lab_xdp_on("edge0");
	link_id = lab_link_id(l, "link_edge0_xdp");
	pins = lab_pins(l);
	dataplane_close(dp);
	dp = lab_dataplane(l, &c);
	assert_true(dataplane_adopted(dp));
	assert_int_not_equal(lab_xdp_on("edge0"), prog_id);
	assert_int_equal(lab_link_id(l, "link_edge0_xdp"), link_id);
	assert_int_equal(lab_pins(l), pins);
	assert_int_equal(verdict_map_get(dp, &source, &v), -ENOENT);
	assert_int_equal(bpf_map_lookup_elem(pinned_map_fd(dp, "layout"), &zero, &layout), 0);
	assert_int_equal(layout.abi, ABI_LAYOUT);
	dataplane_close(dp);
}

static void what_a_crash_left_half_made_is_cleaned_up(void **state)
{
	struct conf_dataplane c = lab_conf(NULL);
	struct lab *l = *state;

	put_map(l, "new_clients", 20, 4, 1024);
	dataplane_close(lab_dataplane(l, &c));
	assert_false(lab_has_pin(l, "new_clients"));
	assert_true(lab_has_pin(l, "clients"));
}

/* A start that was killed between two pins: layout is there, the last maps are not. */
static void maps_that_are_missing_beside_our_layout_are_made(void **state)
{
	struct conf_dataplane c = lab_conf(NULL);
	struct lab *l = *state;
	struct dataplane *dp;

	dataplane_close(lab_dataplane(l, &c));
	assert_int_equal(unlinkat(l->dir_fd, "backends", 0), 0);
	dp = lab_dataplane(l, &c);
	assert_true(dataplane_adopted(dp));
	assert_true(lab_has_pin(l, "backends"));
	dataplane_close(dp);
}

static struct dataplane_map map_of(struct dataplane *dp, const char *name)
{
	struct dataplane_map maps[DATAPLANE_MAPS_MAX];
	size_t n = dataplane_maps(dp, maps, DATAPLANE_MAPS_MAX), i;

	for (i = 0; i < n; i++) {
		if (strcmp(maps[i].name, name) == 0)
			return maps[i];
	}
	fail_msg("no map %s", name);
	return maps[0];
}

static void check_contents(struct dataplane *dp)
{
	struct prefix source = lab_prefix("192.0.2.1");
	struct addr a = source.addr;
	struct client client;
	struct verdict v;
	const uint64_t *words = pinned_map_mem(dp, "meters");

	assert_int_equal(map_of(dp, "source_split").entries, 1);
	assert_int_equal(verdict_map_get(dp, &source, &v), 0);
	assert_int_equal(v.action, VERDICT_DROP);
	assert_int_equal(limit_map_client(dp, &a, 0, &client), 0);
	assert_int_equal(client.proof, CLIENT_PROVEN_COOKIE);
	assert_int_equal(words[meter_map_slot(dp, "alice/requests")], 4711);
	assert_int_not_equal(limit_map_class(dp, "web"), LIMIT_CLASS_NONE);
}

static void another_size_keeps_contents_and_links(void **state)
{
	struct conf_device dev = { .name = "edge0" };
	struct conf_dataplane c = lab_conf(&dev);
	struct lab *l = *state;
	struct dataplane *dp = lab_dataplane(l, &c);
	uint32_t link_id;

	assert_int_equal(dataplane_attach(dp, &c), 0);
	link_id = lab_link_id(l, "link_edge0_xdp");
	put_contents(dp);
	dataplane_close(dp);
	c.max_clients = 8192;
	c.max_acl = 512;
	c.max_verdicts = 2048;
	c.max_meters = 512;
	c.max_vips = 4;
	c.max_backends = 64;
	dp = lab_dataplane(l, &c);
	assert_true(dataplane_adopted(dp));
	assert_int_equal(dataplane_attach(dp, &c), 0);
	assert_int_equal(lab_link_id(l, "link_edge0_xdp"), link_id);
	assert_int_equal(map_of(dp, "clients").max_entries, 8192);
	assert_int_equal(map_of(dp, "source_split").max_entries, 512);
	check_contents(dp);
	dataplane_close(dp);
	/* The pins are the new maps: they fit when opened once more. */
	dp = lab_dataplane(l, &c);
	check_contents(dp);
	dataplane_close(dp);
}

static void a_size_below_what_is_in_force_is_refused(void **state)
{
	struct conf_dataplane c = lab_conf(NULL);
	struct lab *l = *state;
	struct dataplane *dp = lab_dataplane(l, &c);
	struct prefix p = lab_prefix("10.0.0.1/32");
	struct errmsg err;
	int i;

	for (i = 0; i < 20; i++) {
		p.addr.b[14] = (uint8_t)i;
		assert_int_equal(acl_map_add(dp, ACL_LIST_DENY, &p, ACL_FROM_FILE), 0);
	}
	dataplane_close(dp);
	c.max_acl = 16;
	assert_int_equal(try_open(l, &c, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "dataplane.max_acl: 16"));
	c.max_acl = 1024;
	dp = lab_dataplane(l, &c);
	assert_int_equal(map_of(dp, "source_split").entries, 20);
	dataplane_close(dp);
}

static void a_map_larger_than_memory_is_refused_and_the_old_one_stays(void **state)
{
	struct conf_device dev = { .name = "edge0" };
	struct conf_dataplane c = lab_conf(&dev);
	struct lab *l = *state;
	struct dataplane *dp = lab_dataplane(l, &c);
	struct errmsg err;
	uint32_t prog_id;

	assert_int_equal(dataplane_attach(dp, &c), 0);
	prog_id = lab_xdp_on("edge0");
	put_contents(dp);
	dataplane_close(dp);
	c.max_clients = 4000000000U;
	assert_int_equal(try_open(l, &c, &err), -ENOMEM);
	assert_non_null(strstr(err.text, "clients with 4000000000 entries (503"));
	assert_non_null(strstr(err.text, "lower dataplane.max_clients"));
	assert_int_equal(lab_xdp_on("edge0"), prog_id);
	c.max_clients = 4096;
	dp = lab_dataplane(l, &c);
	check_contents(dp);
	dataplane_close(dp);
}

/* What there seemed to be memory for, and the kernel says no all the same. */
static void a_map_that_the_kernel_refuses_is_named_with_its_setting(void **state)
{
	static const struct {
		uint32_t max_clients, max_verdicts;
		const char *map, *setting;
	} cases[] = {
		{ 4000000000U, 1024, "map clients with 4000000000 entries",
		  "dataplane.max_clients" },
		{ 4096, 4000000000U, "map verdict_", "dataplane.max_verdicts" },
	};
	struct lab *l = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dataplane *dp = calloc(1, sizeof(*dp));
		struct program_set set = { 0 };
		struct errmsg err = { 0 };

		assert_non_null(dp);
		dp->conf = lab_conf(NULL);
		dp->conf.max_clients = cases[i].max_clients;
		dp->conf.max_verdicts = cases[i].max_verdicts;
		dp->dir_fd = dup(l->dir_fd);
		dp->xdp.fd = dp->tc.fd = dp->egress.fd = -1;
		assert_int_equal(program_open(dp, &set, &err), 0);
		assert_int_equal(program_load(dp, &set, &err), -E2BIG);
		if (!strstr(err.text, cases[i].map) || !strstr(err.text, cases[i].setting))
			fail_msg("%s", err.text);
		program_set_clear(&set);
		dataplane_close(dp);
	}
	assert_int_equal(lab_pins(l), 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, lab_open, lab_close)
	const struct CMUnitTest tests[] = {
		TEST(a_map_that_only_looks_like_ours_is_refused),
		TEST(a_program_under_a_maps_name_is_refused),
		TEST(maps_of_another_layout_number_are_made_anew_under_the_links),
		TEST(what_a_crash_left_half_made_is_cleaned_up),
		TEST(maps_that_are_missing_beside_our_layout_are_made),
		TEST(another_size_keeps_contents_and_links),
		TEST(a_size_below_what_is_in_force_is_refused),
		TEST(a_map_larger_than_memory_is_refused_and_the_old_one_stays),
		TEST(a_map_that_the_kernel_refuses_is_named_with_its_setting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
