/* SPDX-License-Identifier: BSD-2-Clause */
/* stats: the counters of both halves, in one object. */
#include "base/metric.h"

#include <errno.h>
#include <string.h>

#include "dataplane/decap.h"
#include "dataplane/event_map.h"
#include "dataplane/stats_map.h"
#include "request.h"

#define DROP_LABEL(id, label, doc) label,
static const char *const drop_labels[] = { DROP_REASONS(DROP_LABEL) };
#define DECAP_LABEL(id, label, doc) label,
static const char *const decap_labels[] = { DECAP_COUNTS(DECAP_LABEL) };
#define COUNTER_NAME(id, name, help) name,
static const char *const counter_names[] = { METRIC_COUNTERS(COUNTER_NAME) };

static json_t *count_json(const struct stats_count *c)
{
	return json_pack("{s:I,s:I}", "packets", (json_int_t)c->packets, "bytes",
			 (json_int_t)c->bytes);
}

static int stats_kernel(struct dataplane *dp, json_t *into)
{
	static const char *const actions[STATS_ACTIONS] = { "pass",	   "drop",	  "forward",
							    "egress_pass", "egress_drop", "reply" };
	struct stats_count drops[DROP_REASON_COUNT], counts[STATS_ACTIONS];
	json_t *by_reason = json_object();
	uint64_t suppressed = 0;
	int err = stats_map_drops(dp, drops);

	if (!err)
		err = stats_map_actions(dp, counts);
	if (err) {
		json_decref(by_reason);
		return err;
	}
	for (int i = 0; i < STATS_ACTIONS; i++)
		json_object_set_new(into, actions[i], count_json(&counts[i]));
	for (int i = 1; i < DROP_REASON_COUNT; i++)
		json_object_set_new(by_reason, drop_labels[i], count_json(&drops[i]));
	json_object_set_new(into, "dropped", by_reason);
	event_map_suppressed(dp, &suppressed);
	json_object_set_new(into, "events_suppressed", json_integer((json_int_t)suppressed));
	return 0;
}

static json_t *stats_decap(const struct decap *decap)
{
	uint64_t counts[DECAP_COUNT_COUNT];
	json_t *into = json_object();

	if (decap_counts(decap, counts))
		return into;
	for (int i = 0; i < DECAP_COUNT_COUNT; i++)
		json_object_set_new(into, decap_labels[i], json_integer((json_int_t)counts[i]));
	return into;
}

static json_t *stats_agent(const struct supervisor *s)
{
	struct metric_page *const *pages;
	size_t n = supervisor_metric_pages(s, &pages);
	json_t *agent = json_object();

	for (int c = 0; c < METRIC_COUNTER_COUNT; c++) {
		uint64_t sum = 0;

		for (size_t i = 0; i < n; i++)
			sum += atomic_load_explicit(&pages[i]->counter[c], memory_order_relaxed);
		/* The names carry the half that they come from: here the key does. */
		json_object_set_new(agent, counter_names[c] + strlen("agent_"),
				    json_integer((json_int_t)sum));
	}
	return agent;
}

int control_stats(struct control_request *r)
{
	struct dataplane *dp = supervisor_dataplane(r->s, NULL);

	if (strcmp(r->verb, "show") != 0)
		return request_no_verb(r);
	r->data = json_pack("{s:{},s:o,s:o}", "kernel", "decap",
			    stats_decap(supervisor_decap(r->s)), "agent", stats_agent(r->s));
	if (!r->data)
		return -ENOMEM;
	return dp ? stats_kernel(dp, json_object_get(r->data, "kernel")) : 0;
}
