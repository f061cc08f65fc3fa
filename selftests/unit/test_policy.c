/* SPDX-License-Identifier: BSD-2-Clause */
/* The chain on its own, with the clock and the meters as inputs. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/metric.h"
#include "http/h1/parse.h"
#include "policy/policy.h"

#define METERS 64
#define T0     (1000 * NS_PER_S)

struct chain_world {
	struct conf *conf;
	struct policy_set *set;
	struct policy_chain *chain; /* of the first route */
	uint64_t meters[METERS];
	struct http_head head;
	char request[4096];
};

static const char conf_text[] =
	"listeners: [{name: web, address: 127.0.0.1, port: 80}]\n"
	"clusters: [{name: app, endpoints: [\"127.0.0.1:1\"]}]\n"
	"plans:\n"
	"  - {name: two, limits: [{name: sec, rate: 10/s, burst: 5},"
	" {name: min, rate: 60/min, burst: 8}]}\n"
	"  - {name: none}\n"
	"consumers:\n"
	"  - {name: ann, plan: two, keys: [ann-key-0123456789, ann-key-second-0123]}\n"
	"  - {name: bob, plan: none, keys: [bob-key-0123456789]}\n"
	"  - {name: cyd, plan: two, keys: [cyd-key-0123456789]}\n"
	"routes: [{name: all, cluster: app, policies: {api_key: {header: x-api-key}, limit: %s}}]\n";

static void start_with(struct chain_world *w, const char *mode,
		       uint32_t slots[3 * CONF_PLAN_LIMITS_MAX])
{
	static struct conf_errors errors;
	const uint32_t ids[] = { 7, 9, 11 };
	char text[4096];

	*w = (struct chain_world) { 0 };
	snprintf(text, sizeof(text), conf_text, mode);
	if (conf_parse(text, strlen(text), &w->conf, &errors))
		fail_msg("%s", errors.error[0].text);
	assert_int_equal(policy_set_new(w->conf, ids, slots, &w->set), 0);
	memset(slots, 0xff,
	       3 * CONF_PLAN_LIMITS_MAX * sizeof(*slots)); /* the caller's memory is not kept */
	assert_int_equal(policy_chain_new(w->set, &w->conf->routes[0], &w->chain), 0);
}

static void start(struct chain_world *w, const char *mode)
{
	uint32_t slots[3 * CONF_PLAN_LIMITS_MAX] = { 1, 2, 0, 0, 3, 4, 0, 0, 5, 6 };

	start_with(w, mode, slots);
}

static void stop(struct chain_world *w)
{
	policy_chain_free(w->chain);
	policy_set_free(w->set);
	conf_free(w->conf);
}

static enum policy_answer run(struct chain_world *w, struct policy_exchange *x, const char *key,
			      uint64_t now_ns)
{
	const struct h1_limits limits = { 4096, 4096, 100 };
	struct h1_error err;
	size_t scanned = 0;

	snprintf(w->request, sizeof(w->request), "GET / HTTP/1.1\r\nHost: h\r\n%s%s\r\n\r\n",
		 key ? "X-API-Key: " : "A: b", key ? key : "");
	assert_true(h1_parse_request(w->request, strlen(w->request), &scanned, &limits, &w->head,
				     &err) > 0);
	*x = (struct policy_exchange) {
		.request = &w->head,
		.meters = w->meters,
		.n_meters = METERS,
		.now_ns = now_ns,
	};
	return policy_chain_run(w->chain, x);
}

static void every_key_of_a_consumer_finds_it(void **state)
{
	struct chain_world w;
	struct policy_exchange x;

	(void)state;
	start(&w, "enforce");
	assert_int_equal(run(&w, &x, "ann-key-0123456789", T0), POLICY_CONTINUE);
	assert_int_equal(x.consumer->id, 7);
	assert_true(x.strip_key);
	assert_int_equal(run(&w, &x, "ann-key-second-0123", T0), POLICY_CONTINUE);
	assert_int_equal(x.consumer->id, 7);
	assert_int_equal(run(&w, &x, "bob-key-0123456789", T0), POLICY_CONTINUE);
	assert_int_equal(x.consumer->id, 9);
	assert_null(x.nearest);
	assert_int_equal(run(&w, &x, "ann-key-012345678", T0), POLICY_RESPOND);
	assert_int_equal(x.refusal.status, 401);
	assert_string_equal(x.refusal.code, "key_unknown");
	assert_int_equal(run(&w, &x, NULL, T0), POLICY_RESPOND);
	assert_string_equal(x.refusal.code, "key_missing");
	stop(&w);
}

static void a_burst_passes_and_then_the_rate(void **state)
{
	struct chain_world w;
	struct policy_exchange x;
	unsigned int admitted = 0;

	(void)state;
	start(&w, "enforce");
	/* 10 s of 100 requests/s against 10/s burst 5 and 1/s burst 8: the second decides */
	for (uint64_t t = 0; t < 10 * NS_PER_S; t += 10 * NS_PER_MS)
		admitted += run(&w, &x, "ann-key-0123456789", T0 + t) == POLICY_CONTINUE;
	assert_int_equal(admitted, 8 + 9);
	stop(&w);
}

static void a_client_that_conforms_is_never_refused(void **state)
{
	struct chain_world w;
	struct policy_exchange x;

	(void)state;
	start(&w, "enforce");
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(run(&w, &x, "ann-key-0123456789", T0 + i * NS_PER_S),
				 POLICY_CONTINUE);
	stop(&w);
}

static void a_refusal_consumes_nothing_of_any_limit(void **state)
{
	struct chain_world w;
	struct policy_exchange x;
	uint64_t before[METERS];

	(void)state;
	start(&w, "enforce");
	for (int i = 0; i < 5; i++)
		assert_int_equal(run(&w, &x, "ann-key-0123456789", T0), POLICY_CONTINUE);
	memcpy(before, w.meters, sizeof(before));
	for (int i = 0; i < 50; i++)
		assert_int_equal(run(&w, &x, "ann-key-0123456789", T0), POLICY_RESPOND);
	assert_memory_equal(before, w.meters, sizeof(before));
	stop(&w);
}

static void retry_after_is_never_too_early(void **state)
{
	struct chain_world w;
	struct policy_exchange x;

	(void)state;
	start(&w, "enforce");
	for (uint64_t t = T0; t < T0 + 60 * NS_PER_S; t += 37 * NS_PER_MS) {
		uint64_t wait_s;

		if (run(&w, &x, "ann-key-0123456789", t) == POLICY_CONTINUE)
			continue;
		wait_s = x.refusal.retry_after_s;
		assert_true(wait_s >= 1);
		assert_true(x.nearest_reset_s <= wait_s);
		t += wait_s * NS_PER_S; /* the trace goes on from there */
		assert_int_equal(run(&w, &x, "ann-key-0123456789", t), POLICY_CONTINUE);
	}
	stop(&w);
}

static void all_limits_that_refuse_are_named(void **state)
{
	struct chain_world w;
	struct policy_exchange x;

	(void)state;
	start(&w, "enforce");
	/* both empty: words far ahead are clamped to empty buckets */
	w.meters[1] = w.meters[2] = (T0 + 100 * NS_PER_S) << 8;
	assert_int_equal(run(&w, &x, "ann-key-0123456789", T0), POLICY_RESPOND);
	assert_int_equal(x.refusal.n_violated, 2);
	assert_string_equal(x.refusal.violated[0], "sec");
	assert_string_equal(x.refusal.violated[1], "min");
	assert_int_equal(x.refusal.retry_after_s, 1);
	stop(&w);
}

static void the_limit_with_the_least_left_is_shown(void **state)
{
	struct chain_world w;
	struct policy_exchange x;

	(void)state;
	start(&w, "enforce");
	assert_int_equal(run(&w, &x, "ann-key-0123456789", T0), POLICY_CONTINUE);
	assert_string_equal(x.nearest->name, "sec");
	assert_int_equal(x.nearest_remaining, 4);
	assert_int_equal(x.nearest_reset_s, 1);
	for (int i = 0; i < 4; i++)
		run(&w, &x, "ann-key-0123456789", T0 + 200 * NS_PER_MS * (unsigned int)i);
	assert_string_equal(x.nearest->name, "min");
	stop(&w);
}

static void shadow_spends_and_lets_through(void **state)
{
	struct chain_world w;
	struct policy_exchange x;
	unsigned int shadowed = 0;

	(void)state;
	start(&w, "shadow");
	for (int i = 0; i < 8; i++) {
		assert_int_equal(run(&w, &x, "ann-key-0123456789", T0), POLICY_CONTINUE);
		shadowed += x.shadowed;
	}
	assert_int_equal(shadowed, 3);
	assert_non_null(x.nearest);
	stop(&w);
}

static void a_plan_without_limits_does_not_limit(void **state)
{
	struct chain_world w;
	struct policy_exchange x;

	(void)state;
	start(&w, "enforce");
	for (int i = 0; i < 100; i++) {
		run(&w, &x, NULL, T0);
		x = (struct policy_exchange) { .request = &w.head };
		assert_int_equal(run(&w, &x, "bob-key-0123456789", T0), POLICY_CONTINUE);
	}
	stop(&w);
}

static void consumers_without_a_meter_share_one_that_limits_and_is_counted(void **state)
{
	static const struct {
		const char *what;
		uint32_t slot;
	} rows[] = { { "none was given out", 0 }, { "beyond the words there are", METERS } };
	struct chain_world w;
	struct policy_exchange x;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t slot = rows[i].slot;
		uint32_t slots[3 * CONF_PLAN_LIMITS_MAX] = { slot, slot, 0, 0,	  0,
							     0,	   0,	 0, slot, slot };
		uint64_t before = metric_page->counter[METRIC_LIMIT_OVERFLOW];

		start_with(&w, "enforce", slots);
		for (int n = 0; n < 5; n++) /* the burst of the first limit, spent by both */
			assert_int_equal(run(&w, &x,
					     n % 2 ? "ann-key-0123456789" : "cyd-key-0123456789",
					     T0),
					 POLICY_CONTINUE);
		if (run(&w, &x, "ann-key-0123456789", T0) != POLICY_RESPOND)
			fail_msg("%s: not limited", rows[i].what);
		assert_int_equal(x.refusal.status, 429);
		assert_string_equal(x.refusal.limit, "sec");
		assert_int_equal(run(&w, &x, "cyd-key-0123456789", T0), POLICY_RESPOND);
		assert_int_equal(run(&w, &x, "bob-key-0123456789", T0), POLICY_CONTINUE);
		/* seven requests, two limits each; nobody else's word was touched */
		assert_int_equal(metric_page->counter[METRIC_LIMIT_OVERFLOW] - before, 14);
		for (int n = 0; n < METERS; n++)
			assert_int_equal(w.meters[n], 0);
		/* and the bucket fills again */
		assert_int_equal(run(&w, &x, "ann-key-0123456789", T0 + NS_PER_S), POLICY_CONTINUE);
		stop(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_of_a_consumer_finds_it),
		cmocka_unit_test(a_burst_passes_and_then_the_rate),
		cmocka_unit_test(a_client_that_conforms_is_never_refused),
		cmocka_unit_test(a_refusal_consumes_nothing_of_any_limit),
		cmocka_unit_test(retry_after_is_never_too_early),
		cmocka_unit_test(all_limits_that_refuse_are_named),
		cmocka_unit_test(the_limit_with_the_least_left_is_shown),
		cmocka_unit_test(shadow_spends_and_lets_through),
		cmocka_unit_test(a_plan_without_limits_does_not_limit),
		cmocka_unit_test(consumers_without_a_meter_share_one_that_limits_and_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
