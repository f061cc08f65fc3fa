/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "conf_fixture.h"

static const char base[] =
	"acl: {allow: ['2001:db8::/32'], deny: [10.0.0.0/8, 192.0.2.0/24]}\n"
	"limits: [{name: default, sources: [0.0.0.0/0], packets: {rate: 100/s, burst: 10}},\n"
	"  {name: spare, bytes: {rate: 1MB/s}}]\n"
	"vips: [{name: web, address: 203.0.113.1, port: 80, limit: spare, backends:\n"
	"  [{name: b1, address: 10.0.0.1}, {name: b2, address: 10.0.0.2, weight: 2}]}]\n"
	"plans: [{name: free, limits: [{name: l, rate: 1/s}]}, {name: gold}]\n"
	"consumers: [{name: alice, plan: free, keys: [test-of-16-bytes]}, {name: carol, plan: gold}]\n";

/* What the edits change, as conf_diff says it. */
static void check_edit(const char *edits, const char *text)
{
	struct conf *from = conf_fixture(base), *to = NULL;
	struct conf_errors errors;
	struct buf diff;

	if (conf_edit(from, edits, &to, &errors) != 0) {
		conf_fixture_says(&errors, 0, 0, "(nothing)");
		fail_msg("%s: refused", edits);
	}
	buf_init(&diff, 65536);
	conf_diff(from, to, &diff);
	buf_add(&diff, "", 1);
	assert_string_equal(buf_head(&diff), text);
	buf_clear(&diff);
	conf_free(from);
	conf_free(to);
}

static const char *const accepted[][2] = {
	{ "[]", "" },
	{ "[{\"kind\":\"limit\",\"name\":\"default\",\"op\":\"set\",\"packets\":{\"rate\":\"200/s\"}}]",
	  "limits[default].packets.rate: 100/s -> 200/s\n" },
	{ "[{\"kind\":\"limit\",\"name\":\"default\",\"op\":\"set\",\"packets\":{\"burst\":20},"
	  "\"dry_run\":true}]",
	  "limits[default].packets.burst: 10 -> 20\nlimits[default].dry_run: false -> true\n" },
	{ "[{\"kind\":\"limit\",\"name\":\"default\",\"op\":\"set\",\"packets\":null,"
	  "\"connections\":{\"rate\":\"5/min\"}}]",
	  "limits[default].packets: {\"rate\":\"100/s\",\"burst\":10} -> none\n"
	  "limits[default].connections: none -> {\"rate\":\"5/min\",\"burst\":1}\n" },
	{ "[{\"kind\":\"limit\",\"name\":\"new\",\"op\":\"add\",\"packets\":{\"rate\":\"5/s\"}},"
	  "{\"kind\":\"vip\",\"name\":\"web\",\"op\":\"set\",\"limit\":\"new\"},"
	  "{\"kind\":\"limit\",\"name\":\"spare\",\"op\":\"del\"}]",
	  "limits[new]: added\nlimits[spare]: removed\nvips[web].limit: spare -> new\n" },
	{ "[{\"kind\":\"consumer\",\"name\":\"bob\",\"op\":\"add\",\"plan\":\"gold\",\"keys_sha256\":"
	  "[\"60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752\"]}]",
	  "consumers[bob]: added\n" },
	{ "[{\"kind\":\"consumer\",\"name\":\"alice\",\"op\":\"set\",\"plan\":\"gold\"}]",
	  "consumers[alice].plan: free -> gold\n" },
	/* new keys replace the old ones, in either form */
	{ "[{\"kind\":\"consumer\",\"name\":\"alice\",\"op\":\"set\",\"keys\":[\"other-of-16-byte\"]}]",
	  "consumers[alice].keys_sha256: - 41feabe3\n"
	  "consumers[alice].keys_sha256: + 774d2c64\n" },
	{ "[{\"kind\":\"consumer\",\"name\":\"alice\",\"op\":\"set\",\"keys_sha256\":"
	  "[\"60303AE22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752\"]}]",
	  "consumers[alice].keys_sha256: - 41feabe3\n"
	  "consumers[alice].keys_sha256: + 60303ae2\n" },
	{ "[{\"kind\":\"consumer\",\"name\":\"alice\",\"op\":\"del\"},"
	  "{\"kind\":\"consumer\",\"name\":\"alice\",\"op\":\"add\",\"plan\":\"gold\"}]",
	  "consumers[alice].plan: free -> gold\nconsumers[alice].keys_sha256: - 41feabe3\n" },
	{ "[{\"kind\":\"acl\",\"op\":\"add\",\"list\":\"deny\",\"prefix\":\"1.2.3.4/32\"},"
	  "{\"kind\":\"acl\",\"op\":\"del\",\"list\":\"deny\",\"prefix\":\"10.0.0.0/8\"},"
	  "{\"kind\":\"acl\",\"op\":\"del\",\"list\":\"allow\",\"prefix\":\"2001:DB8:0::/32\"}]",
	  "acl.allow: - 2001:db8::/32\nacl.deny: + 1.2.3.4/32\nacl.deny: - 10.0.0.0/8\n" },
	{ "[{\"kind\":\"backend\",\"vip\":\"web\",\"name\":\"b1\",\"op\":\"set\",\"weight\":0}]",
	  "vips[web].backends[b1].weight: 1 -> 0\n" },
	{ "[{\"kind\":\"backend\",\"vip\":\"web\",\"name\":\"b3\",\"op\":\"add\",\"address\":"
	  "\"10.0.0.3\"},"
	  "{\"kind\":\"backend\",\"vip\":\"web\",\"name\":\"b1\",\"op\":\"del\"}]",
	  "vips[web].backends[b1]: removed\nvips[web].backends[b3]: added\n" },
	{ "[{\"kind\":\"plan\",\"name\":\"free\",\"op\":\"set\",\"limits\":{\"l\":{\"rate\":\"5/s\"}}}]",
	  "plans[free].limits[l].rate: 1/s -> 5/s\n" },
	{ "[{\"kind\":\"plan\",\"name\":\"free\",\"op\":\"set\",\"limits\":{\"l\":{\"burst\":7}}},"
	  "{\"kind\":\"plan\",\"name\":\"free\",\"op\":\"set\",\"limits\":{\"l\":{\"rate\":\"2/min\"}}}]",
	  "plans[free].limits[l].rate: 1/s -> 2/min\nplans[free].limits[l].burst: 1 -> 7\n" },
	/* a vip made by an edit takes backends by edits */
	{ "[{\"kind\":\"vip\",\"name\":\"v\",\"op\":\"add\",\"address\":\"203.0.113.2\",\"port\":1,"
	  "\"backends\":[]},"
	  "{\"kind\":\"backend\",\"vip\":\"v\",\"name\":\"b\",\"op\":\"add\",\"address\":"
	  "\"10.0.0.3\"}]",
	  "vips[v]: added\n" },
	{ "[{\"kind\":\"vip\",\"name\":\"v\",\"op\":\"add\",\"address\":\"203.0.113.2\",\"port\":1},"
	  "{\"kind\":\"backend\",\"vip\":\"v\",\"name\":\"b\",\"op\":\"add\",\"address\":"
	  "\"10.0.0.3\"}]",
	  "vips[v]: added\n" },
};

static void test_edits_change_what_they_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++)
		check_edit(accepted[i][0], accepted[i][1]);
}

static const char *const refused[][2] = {
	{ "", "are no JSON" },
	{ "[{]", "are no JSON" },
	{ "{}", "edits are an array" },
	{ "[1]", "edit 1 (?): is not an object" },
	{ "[{\"op\":\"set\"}]", "kind is limit, consumer, plan, vip, backend or acl" },
	{ "[{\"kind\":\"x\",\"op\":\"set\"}]",
	  "kind is limit, consumer, plan, vip, backend or acl" },
	{ "[{\"kind\":\"limit\",\"name\":\"default\"}]", "op is set, add or del" },
	{ "[{\"kind\":\"limit\",\"name\":\"default\",\"op\":\"put\"}]", "op is set, add or del" },
	{ "[{\"kind\":\"limit\",\"op\":\"set\"}]", "edit 1 (limit): says no name" },
	{ "[{\"kind\":\"limit\",\"name\":1,\"op\":\"set\"}]", "edit 1 (limit): says no name" },
	{ "[{\"kind\":\"limit\",\"name\":\"default\",\"op\":\"set\",\"op\":\"del\"}]", "no JSON" },
	{ "[{\"kind\":\"limit\",\"name\":\"gone\",\"op\":\"set\"}]",
	  "edit 1 (limit gone): there is no limit of this name" },
	{ "[{\"kind\":\"consumer\",\"name\":\"gone\",\"op\":\"del\"}]",
	  "edit 1 (consumer gone): there is no consumer of this name" },
	{ "[{\"kind\":\"consumer\",\"name\":\"alice\",\"op\":\"add\",\"plan\":\"free\"}]",
	  "edit 1 (consumer alice): there is already a consumer of this name" },
	{ "[{\"kind\":\"backend\",\"name\":\"b1\",\"op\":\"set\"}]", "says no vip" },
	{ "[{\"kind\":\"backend\",\"vip\":\"gone\",\"name\":\"b1\",\"op\":\"set\"}]",
	  "there is no vip 'gone'" },
	{ "[{\"kind\":\"backend\",\"vip\":\"web\",\"name\":\"b9\",\"op\":\"set\"}]",
	  "edit 1 (backend b9): there is no backend of this name" },
	{ "[{\"kind\":\"acl\",\"op\":\"set\",\"list\":\"deny\",\"prefix\":\"1.2.3.4\"}]",
	  "op is add or del" },
	{ "[{\"kind\":\"acl\",\"op\":\"add\",\"list\":\"x\",\"prefix\":\"1.2.3.4\"}]",
	  "list is allow or deny" },
	{ "[{\"kind\":\"acl\",\"op\":\"add\",\"list\":\"deny\",\"prefix\":\"1.2.3.4/8\"}]",
	  "edit 1 (acl 1.2.3.4/8): prefix is not a prefix" },
	{ "[{\"kind\":\"acl\",\"op\":\"add\",\"list\":\"deny\",\"prefix\":\"10.0.0.0/8\"}]",
	  "edit 1 (acl 10.0.0.0/8): is in acl.deny already" },
	{ "[{\"kind\":\"acl\",\"op\":\"del\",\"list\":\"deny\",\"prefix\":\"11.0.0.0/8\"}]",
	  "edit 1 (acl 11.0.0.0/8): is not in acl.deny" },
	{ "[{\"kind\":\"acl\",\"op\":\"del\",\"list\":\"deny\",\"prefix\":\"10.0.0.0/8\",\"x\":1}]",
	  "no such setting: x" },
	{ "[{\"kind\":\"plan\",\"name\":\"gone\",\"op\":\"set\",\"limits\":{}}]",
	  "edit 1 (plan gone): there is no plan of this name" },
	{ "[{\"kind\":\"plan\",\"name\":\"free\",\"op\":\"del\"}]",
	  "op is set, and limits is a map" },
	{ "[{\"kind\":\"plan\",\"name\":\"free\",\"op\":\"set\",\"limits\":[]}]",
	  "op is set, and limits is a map" },
	{ "[{\"kind\":\"plan\",\"name\":\"free\",\"op\":\"set\",\"limits\":{},\"x\":1}]",
	  "op is set, and limits is a map" },
	{ "[{\"kind\":\"plan\",\"name\":\"free\",\"op\":\"set\",\"limits\":{\"x\":{}}}]",
	  "edit 1 (plan free): there is no limit 'x' in it" },
	{ "[{\"kind\":\"plan\",\"name\":\"free\",\"op\":\"set\",\"limits\":{\"l\":{\"rate\":\"x\"}}}]",
	  "plans[free].limits[l].rate: 'x' is not a rate" },
	/* what only the whole can say */
	{ "[{\"kind\":\"limit\",\"name\":\"default\",\"op\":\"set\",\"packets\":{\"rate\":\"x\"}}]",
	  "limits[default].packets.rate: 'x' is not a rate" },
	{ "[{\"kind\":\"limit\",\"name\":\"default\",\"op\":\"set\",\"pakcets\":{}}]",
	  "limits[default].pakcets: no such setting; did you mean packets?" },
	{ "[{\"kind\":\"limit\",\"name\":\"spare\",\"op\":\"del\"}]",
	  "vips[web].limit: there is no limit 'spare'" },
	{ "[{\"kind\":\"consumer\",\"name\":\"carol\",\"op\":\"set\",\"keys\":[\"test-of-16-bytes\"]}]",
	  "consumers[carol].keys[0]: a key belongs to one consumer" },
	{ "[{\"kind\":\"consumer\",\"name\":\"Bob\",\"op\":\"add\",\"plan\":\"free\"}]",
	  "'Bob' is not a name" },
	{ "[{\"kind\":\"vip\",\"name\":\"web\",\"op\":\"set\",\"backends\":\"x\"},"
	  "{\"kind\":\"backend\",\"vip\":\"web\",\"name\":\"b1\",\"op\":\"set\"}]",
	  "edit 2 (backend b1): an earlier edit left backends without proper names" },
	{ "[{\"kind\":\"vip\",\"name\":\"web\",\"op\":\"set\",\"backends\":{\"a\":1}}]",
	  "edit 1 (vip web): backends has to be a list" },
	{ "[{\"kind\":\"vip\",\"name\":\"web\",\"op\":\"set\",\"address\":[[[[[[[[[[[[[[[[[[1]]]]"
	  "]]]]]]]]]]]]]]}]",
	  "nested too deeply" },
};

static void test_edits_that_do_not_fit_are_refused_by_name(void **state)
{
	struct conf *from = conf_fixture(base);

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct conf *to = (struct conf *)0x1;
		struct conf_errors errors;

		assert_int_equal(conf_edit(from, refused[i][0], &to, &errors), -EINVAL);
		assert_ptr_equal(to, (struct conf *)0x1);
		assert_true(conf_fixture_says(&errors, 0, 0, refused[i][1]));
	}
	conf_free(from);
}

static void test_all_edits_that_do_not_fit_are_reported(void **state)
{
	struct conf *from = conf_fixture(base), *to;
	struct conf_errors errors;

	(void)state;
	assert_int_equal(conf_edit(from,
				   "[{\"kind\":\"limit\",\"name\":\"gone\",\"op\":\"set\"},"
				   "{\"kind\":\"consumer\",\"name\":\"alice\",\"op\":\"del\"},"
				   "{\"kind\":\"vip\",\"name\":\"gone\",\"op\":\"del\"}]",
				   &to, &errors),
			 -EINVAL);
	assert_int_equal(errors.n, 2);
	assert_non_null(strstr(errors.error[0].text, "edit 1 (limit gone)"));
	assert_non_null(strstr(errors.error[1].text, "edit 3 (vip gone)"));
	conf_free(from);
}

/* 65,536 prefixes, 10,000 consumers and 2,000 edits of them. */
static void test_many_edits_of_large_lists_are_made_in_linear_time(void **state)
{
	char *yaml = calloc(1, 4 << 20), *edits = calloc(1, 1 << 20), *at = yaml;
	struct conf *from, *to = NULL;
	struct conf_errors errors;
	uint64_t start, ns;

	(void)state;
	at += sprintf(at, "acl:\n  deny:\n");
	for (int i = 0; i < 65536; i++)
		at += sprintf(at, "    - 10.%d.%d.0/24\n", i >> 8, i & 255);
	at += sprintf(at, "plans: [{name: p}, {name: q}]\nconsumers:\n");
	for (int i = 0; i < 10000; i++)
		at += sprintf(at, "  - {name: c%d, plan: p, keys: [key-of-sixteen-%d]}\n", i, i);
	at = edits + sprintf(edits, "[");
	for (int i = 0; i < 1000; i++)
		at += sprintf(
			at,
			"%s{\"kind\":\"consumer\",\"name\":\"c%d\",\"op\":\"set\",\"plan\":\"q\"},"
			"{\"kind\":\"acl\",\"op\":\"del\",\"list\":\"deny\",\"prefix\":\"10.%d.%d.0/24\"}",
			i ? "," : "", i, i >> 8, i & 255);
	sprintf(at, "]");
	from = conf_fixture(yaml);
	start = clock_now_ns();
	assert_int_equal(conf_edit(from, edits, &to, &errors), 0);
	ns = clock_now_ns() - start;
	print_message("edited in %u ms\n", (unsigned int)(ns / NS_PER_MS));
	assert_true(ns < 5 * NS_PER_S);
	assert_int_equal(to->acl.n_deny, 65536 - 1000);
	assert_string_equal(conf_consumer(to, "c999")->plan, "q");
	assert_string_equal(conf_consumer(to, "c1000")->plan, "p");
	assert_int_equal(conf_consumer(to, "c5")->n_keys, 1);
	/* the order of the file stays */
	assert_string_equal(to->consumers[1234].name, "c1234");
	conf_free(from);
	conf_free(to);
	free(yaml);
	free(edits);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edits_change_what_they_name),
		cmocka_unit_test(test_edits_that_do_not_fit_are_refused_by_name),
		cmocka_unit_test(test_all_edits_that_do_not_fit_are_reported),
		cmocka_unit_test(test_many_edits_of_large_lists_are_made_in_linear_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
