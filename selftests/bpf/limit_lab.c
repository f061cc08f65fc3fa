/* SPDX-License-Identifier: BSD-2-Clause */
#include "limit_lab.h"

#include <linux/bpf.h>
#include <stdlib.h>

#include "base/clock.h"
#include "dataplane/acl_map.h"

int limit_lab_open(void **state)
{
	struct limit_lab *w = calloc(1, sizeof(*w));
	struct conf_dataplane c = lab_conf(NULL);

	assert_non_null(w);
	lab_open((void **)&w->lab);
	c.max_verdicts = 16;
	c.max_meters = 8;
	w->dp = lab_dataplane(w->lab, &c);
	*state = w;
	return 0;
}

int limit_lab_close(void **state)
{
	struct limit_lab *w = *state;

	dataplane_close(w->dp);
	lab_close((void **)&w->lab);
	free(w);
	return 0;
}

struct conf_limit limit_lab_limit(char *name, uint64_t count, uint64_t burst, struct prefix *source)
{
	return (struct conf_limit) { .name = name,
				     .sources = source,
				     .n_sources = source ? 1 : 0,
				     .rows = 256,
				     .unit[LIMIT_PACKETS] = { count, NS_PER_S, burst } };
}

/* One packet in 1,000 s: what passes in a test is burst alone. */
struct conf_limit limit_lab_burst(char *name, uint64_t n, struct prefix *source)
{
	struct conf_limit l = limit_lab_limit(name, 1, n, source);

	l.unit[LIMIT_PACKETS].period_ns = 1000 * NS_PER_S;
	return l;
}

int limit_lab_try(struct limit_lab *w, struct conf_limit *limits, size_t n, struct errmsg *err)
{
	struct conf conf = { .limits = limits, .n_limits = n };

	return limit_map_apply(w->dp, &conf, err);
}

void limit_lab_apply(struct limit_lab *w, struct conf_limit *limits, size_t n)
{
	struct errmsg err = { 0 };

	if (limit_lab_try(w, limits, n, &err))
		fail_msg("limit_map_apply: %s", err.text);
}

/* As an agent that starts: its lists are in force once all of them have been applied. */
void limit_lab_reopen(struct limit_lab *w, uint32_t limit_rows)
{
	struct conf_dataplane c = lab_conf(NULL);
	struct conf_acl none = { 0 };
	struct errmsg err;

	dataplane_close(w->dp);
	c.limit_rows = limit_rows;
	c.max_verdicts = 16;
	c.max_meters = 8;
	w->dp = lab_dataplane(w->lab, &c);
	assert_int_equal(acl_map_apply_conf(w->dp, &none, &err), 0);
}

/* How many of n packets pass. */
int limit_lab_passed_to(struct limit_lab *w, const char *src, uint8_t proto, uint16_t dport, int n)
{
	struct lab_frame f = lab_ipv4(src, "192.0.2.1", proto, 1, dport);
	int ok = 0;

	while (n--)
		ok += lab_test_run(w->lab, f.bytes, f.n) == XDP_PASS;
	return ok;
}

int limit_lab_passed(struct limit_lab *w, const char *src, int n)
{
	return limit_lab_passed_to(w, src, 17, 2000, n);
}

struct limit_explain limit_lab_explained(struct limit_lab *w, const char *src, const char *name)
{
	struct limit_explain e;
	struct addr a = lab_addr(src);

	assert_int_equal(limit_map_explain_class(w->dp, &a, limit_map_class(w->dp, name), &e), 0);
	return e;
}
