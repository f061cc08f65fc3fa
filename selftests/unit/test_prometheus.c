/* SPDX-License-Identifier: BSD-2-Clause */
/* The exposition of counters: names, labels, escapes, sums over pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "observe/prometheus.h"
#include "observe/text.h"

static const char *one_route(const void *ctx, uint32_t id)
{
	(void)ctx;
	return id == 7 ? "api \"v1\"\\" : NULL;
}

static const char *no_cluster(const void *ctx, uint32_t id)
{
	(void)ctx;
	(void)id;
	return NULL;
}

struct fixture {
	struct metric_page *pages[2];
	struct conf conf;
	struct prometheus_source src;
	struct buf out;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->pages[0] = calloc(1, sizeof(struct metric_page));
	f->pages[1] = calloc(1, sizeof(struct metric_page));
	f->src = (struct prometheus_source) { .conf = &f->conf,
					      .pages = f->pages,
					      .n_pages = 2,
					      .route_name = one_route,
					      .cluster_name = no_cluster,
					      .version = "1.2",
					      .revision = 9,
					      .connections = 3,
					      .ready = true };
	buf_init(&f->out, 1U << 20);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	buf_clear(&f->out);
	free(f->pages[0]);
	free(f->pages[1]);
	free(f);
	return 0;
}

static void assert_line(struct fixture *f, const char *line)
{
	assert_int_equal(buf_add(&f->out, "", 1), 0);
	if (!strstr(buf_head(&f->out), line))
		fail_msg("no line '%s' in:\n%s", line, buf_head(&f->out));
	f->out.end--;
}

static void counters_are_summed_over_the_pages_of_all_workers(void **state)
{
	struct fixture *f = *state;

	f->pages[0]->counter[METRIC_REQUESTS] = 40;
	f->pages[1]->counter[METRIC_REQUESTS] = 2;
	assert_int_equal(prometheus_write(&f->src, &f->out), 0);
	assert_line(f, "\n# TYPE sluice_agent_requests_total counter\n"
		       "sluice_agent_requests_total 42\n");
	assert_line(f, "\nsluice_agent_revision 9\n");
	assert_line(f, "sluice_build_info{version=\"1.2\"} 1\n");
}

static void stripped_fields_are_counted_by_their_kind(void **state)
{
	struct fixture *f = *state;

	f->pages[0]->stripped[METRIC_STRIP_PROXY] = 2;
	f->pages[1]->stripped[METRIC_STRIP_PROXY] = 3;
	assert_int_equal(prometheus_write(&f->src, &f->out), 0);
	assert_line(f, "\n# TYPE sluice_agent_request_fields_stripped_total counter\n"
		       "sluice_agent_request_fields_stripped_total{kind=\"identity\"} 0\n");
	assert_line(f, "sluice_agent_request_fields_stripped_total{kind=\"proxy\"} 5\n");
}

static void label_values_are_escaped(void **state)
{
	struct fixture *f = *state;

	f->pages[1]->route[7].responses[1] = 5;
	assert_int_equal(prometheus_write(&f->src, &f->out), 0);
	assert_line(f,
		    "sluice_agent_responses_total{route=\"api \\\"v1\\\"\\\\\",class=\"2xx\"} 5\n");
}

static void histogram_buckets_are_cumulative_and_end_with_the_count(void **state)
{
	struct fixture *f = *state;

	f->pages[0]->route[7].duration[0] = 1;
	f->pages[1]->route[7].duration[1] = 2;
	f->pages[1]->route[7].duration[METRIC_BUCKETS - 1] = 4;
	f->pages[1]->route[7].duration_sum_us = 2500000;
	assert_int_equal(prometheus_write(&f->src, &f->out), 0);
	assert_line(f, "le=\"0.0005\"} 1\n");
	assert_line(f, "le=\"0.001\"} 3\n");
	assert_line(f, "le=\"2.5\"} 3\n");
	assert_line(f, "le=\"+Inf\"} 7\n");
	assert_line(
		f, "sluice_agent_request_duration_seconds_count{route=\"api \\\"v1\\\"\\\\\"} 7\n");
	assert_line(
		f, "sluice_agent_request_duration_seconds_sum{route=\"api \\\"v1\\\"\\\\\"} 2.5\n");
}

static void decisions_are_counted_by_their_outcome(void **state)
{
	static const struct prometheus_count verdicts[] = { { "set", 3 }, { "budget", 0 } };
	struct fixture *f = *state;

	f->src.verdicts = verdicts;
	f->src.n_verdicts = 2;
	f->src.audit_lost = 5;
	assert_int_equal(prometheus_write(&f->src, &f->out), 0);
	assert_line(f, "\n# TYPE sluice_agent_verdicts_total counter\n"
		       "sluice_agent_verdicts_total{outcome=\"set\"} 3\n"
		       "sluice_agent_verdicts_total{outcome=\"budget\"} 0\n");
	assert_line(f, "\nsluice_agent_audit_lost_total 5\n");
}

static void a_buffer_that_is_too_small_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct buf small;

	buf_init(&small, 512);
	assert_int_equal(prometheus_write(&f->src, &small), -ENOSPC);
	buf_clear(&small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(counters_are_summed_over_the_pages_of_all_workers,
						setup, teardown),
		cmocka_unit_test_setup_teardown(stripped_fields_are_counted_by_their_kind, setup,
						teardown),
		cmocka_unit_test_setup_teardown(label_values_are_escaped, setup, teardown),
		cmocka_unit_test_setup_teardown(
			histogram_buckets_are_cumulative_and_end_with_the_count, setup, teardown),
		cmocka_unit_test_setup_teardown(decisions_are_counted_by_their_outcome, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_buffer_that_is_too_small_is_an_error, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
