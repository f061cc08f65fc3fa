/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of what the agent does: routes, plans, consumers, pushdown. */
#include "conf_node.h"
#include "conf_rate.h"
#include "conf_rows.h"
#include "sluice/abi/verdict.h"

#define S_MS   1000ULL
#define DAY_MS (86400 * S_MS)

static const struct conf_word mode_words[] = { { "enforce", CONF_ENFORCE },
					       { "shadow", CONF_SHADOW },
					       { "off", CONF_OFF },
					       { NULL, 0 } };
static const struct conf_word action_words[] = { { "drop_new", VERDICT_DROP_NEW },
						 { "drop", VERDICT_DROP },
						 { NULL, 0 } };

#define POLICIES(field) CONF_AT(struct conf_policies, field)

static const struct conf_row api_key_rows[] = {
	{ .name = "required",
	  POLICIES(api_key_required),
	  .type = &conf_type_bool,
	  .def = "true",
	  .help = "Answer 401 to a request without a known key." },
	{ .name = "header",
	  POLICIES(api_key_header),
	  .type = &conf_type_header,
	  .def = "x-api-key",
	  .help = "Header field that holds the key." },
};

static const struct conf_table conf_table_api_key =
	CONF_TABLE("api_key", api_key_rows, struct conf_policies, );

static const struct conf_row authorise_rows[] = {
	{ .name = "plans",
	  CONF_LIST_AT(struct conf_policies, plans, n_plans),
	  .type = &conf_type_name,
	  .ref = "plans",
	  .max_items = 10000,
	  .help = "Plans whose consumers may pass; others are answered 403. None: all may." },
};

static const struct conf_table conf_table_authorise =
	CONF_TABLE("authorise", authorise_rows, struct conf_policies, );

static const struct conf_row policies_rows[] = {
	{ .name = "client_certificate",
	  POLICIES(client_certificate),
	  .type = &conf_type_bool,
	  .def = "false",
	  .help = "Answer 403 to clients without a certificate that the listener's client_auth "
		  "verified, and 421 where the host is not the one of the TLS handshake." },
	{ .name = "api_key",
	  CONF_SUB_FLAT(&conf_table_api_key),
	  .flags = CONF_NULLABLE,
	  .help = "Tell consumers by an API key. Left out: nobody is asked who he is." },
	{ .name = "authorise", CONF_SUB_FLAT(&conf_table_authorise), .help = "Who may pass." },
	{ .name = "limit",
	  POLICIES(limit),
	  .type = &conf_type_word,
	  .words = mode_words,
	  .def_help = "enforce where api_key is given, else off",
	  .help = "Hold consumers to the limits of their plan; shadow only counts. Needs api_key." },
};

static void policies_derive(void *item, const struct conf_node *node)
{
	struct conf_policies *policies = item;
	const struct conf_node *limit = conf_node_get(node, "limit");

	if (!limit || conf_node_is_null(limit))
		policies->limit = policies->api_key_header ? CONF_ENFORCE : CONF_OFF;
}

static const struct conf_table conf_table_policies =
	CONF_TABLE("policies", policies_rows, struct conf_policies, .derive = policies_derive);

static const struct conf_row route_rows[] = {
	{ .name = "name",
	  CONF_AT(struct conf_route, name),
	  .type = &conf_type_name,
	  .flags = CONF_REQUIRED,
	  .help = "Unique among routes; in logs and metrics." },
	{ .name = "hosts",
	  CONF_LIST_AT(struct conf_route, hosts, n_hosts),
	  .type = &conf_type_host,
	  .max_items = 10000,
	  .help = "Hosts, or *.example.com for all below example.com. None: any host." },
	{ .name = "paths",
	  CONF_LIST_AT(struct conf_route, paths, n_paths),
	  .type = &conf_type_url_path,
	  .max_items = 10000,
	  .help = "Prefixes that end between segments, or =/exact paths. None: any path." },
	{ .name = "listeners",
	  CONF_LIST_AT(struct conf_route, listeners, n_listeners),
	  .type = &conf_type_name,
	  .ref = "listeners",
	  .max_items = 1024,
	  .help = "Listeners that it is reached at. None: all." },
	{ .name = "cluster",
	  CONF_AT(struct conf_route, cluster),
	  .type = &conf_type_name,
	  .ref = "clusters",
	  .flags = CONF_REQUIRED,
	  .help = "Where requests go." },
	{ .name = "timeout",
	  CONF_AT(struct conf_route, timeout_ms),
	  .type = &conf_type_duration,
	  .def = "0s",
	  .max = DAY_MS,
	  .help = "From the header of a request to the end of its response, all attempts included: "
		  "504, or cut if the response has begun. A WebSocket has to be open by then. 0 is "
		  "none." },
	{ .name = "policies",
	  CONF_SUB_AT(struct conf_route, policies, &conf_table_policies),
	  .help = "What a request has to pass." },
};

const struct conf_table conf_table_route = CONF_TABLE("route", route_rows, struct conf_route, );

static void plan_limit_derive(void *item, const struct conf_node *node)
{
	struct conf_plan_limit *limit = item;

	(void)node;
	conf_rate_default_burst(&limit->rate, false);
}

static const struct conf_row plan_limit_rows[] = {
	{ .name = "name",
	  CONF_AT(struct conf_plan_limit, name),
	  .type = &conf_type_name,
	  .flags = CONF_REQUIRED,
	  .help = "Unique within the plan; in RateLimit fields." },
	{ .name = "rate",
	  CONF_AT(struct conf_plan_limit, rate.count),
	  .type = &conf_type_rate,
	  .flags = CONF_REQUIRED,
	  .help = "Requests, in the long run." },
	{ .name = "burst",
	  CONF_AT(struct conf_plan_limit, rate.burst),
	  .type = &conf_type_number,
	  .min = 1,
	  .def_help = "one second of the rate, at least 1",
	  .help = "Requests at once." },
};

static const struct conf_table conf_table_plan_limit =
	CONF_TABLE("limit", plan_limit_rows, struct conf_plan_limit, .derive = plan_limit_derive);

static const struct conf_row plan_rows[] = {
	{ .name = "name",
	  CONF_AT(struct conf_plan, name),
	  .type = &conf_type_name,
	  .flags = CONF_REQUIRED,
	  .help = "Unique among plans." },
	{ .name = "limits",
	  CONF_SUBS_AT(struct conf_plan, limits, n_limits, &conf_table_plan_limit),
	  .flags = CONF_ORDERED,
	  .max_items = CONF_PLAN_LIMITS_MAX,
	  .help = "All of them hold, each consumer has its own, over all workers. None: no "
		  "limit." },
};

static void plan_derive(void *item, const struct conf_node *node)
{
	struct conf_plan *plan = item;

	if (node)
		plan->place = (struct conf_place) { node->line, node->column };
}

const struct conf_table conf_table_plan =
	CONF_TABLE("plan", plan_rows, struct conf_plan, .derive = plan_derive);

static const struct conf_row consumer_rows[] = {
	{ .name = "name",
	  CONF_AT(struct conf_consumer, name),
	  .type = &conf_type_name,
	  .flags = CONF_REQUIRED,
	  .help = "Unique among consumers; in logs." },
	{ .name = "plan",
	  CONF_AT(struct conf_consumer, plan),
	  .type = &conf_type_name,
	  .ref = "plans",
	  .flags = CONF_REQUIRED,
	  .help = "The limits that it has." },
	{ .name = "keys",
	  CONF_LIST_AT(struct conf_consumer, keys_sha256, n_keys),
	  .type = &conf_type_key,
	  .flags = CONF_INPUT | CONF_SECRET | CONF_FILLED,
	  .max_items = 1000,
	  .help = "API keys in clear, of at least 16 characters. They are hashed while the file is read; keys_sha256 keeps "
		  "them out of the file." },
	{ .name = "keys_sha256",
	  CONF_LIST_AT(struct conf_consumer, keys_sha256, n_keys),
	  .type = &conf_type_sha256,
	  .flags = CONF_SECRET,
	  .max_items = 1000,
	  .help = "SHA-256 of API keys, in hex: printf %s KEY | sha256sum." },
};

const struct conf_table conf_table_consumer =
	CONF_TABLE("consumer", consumer_rows, struct conf_consumer, );

static const struct conf_row step_rows[] = {
	{ .name = "action",
	  CONF_AT(struct conf_pushdown_step, action),
	  .type = &conf_type_word,
	  .words = action_words,
	  .flags = CONF_REQUIRED,
	  .help = "Drop new connections, or every packet." },
	{ .name = "ttl",
	  CONF_AT(struct conf_pushdown_step, ttl_ms),
	  .type = &conf_type_duration,
	  .flags = CONF_REQUIRED,
	  .min = S_MS,
	  .max = DAY_MS,
	  .help = "How long; a bystander who comes later waits at most this long." },
};

static const struct conf_table conf_table_step =
	CONF_TABLE("step", step_rows, struct conf_pushdown_step, );

#define PUSHDOWN(field) CONF_AT(struct conf_pushdown, field)

static const struct conf_row pushdown_rows[] = {
	{ .name = "mode",
	  PUSHDOWN(mode),
	  .type = &conf_type_word,
	  .words = mode_words,
	  .def = "off",
	  .help = "Write verdicts, or only log what would be written." },
	{ .name = "refusals",
	  PUSHDOWN(refusals),
	  .type = &conf_type_number,
	  .def = "50",
	  .min = 1,
	  .max = 1000000,
	  .help = "Refused requests of a source within window that take it one step further." },
	{ .name = "window",
	  PUSHDOWN(window_ms),
	  .type = &conf_type_duration,
	  .def = "10s",
	  .min = S_MS,
	  .max = 3600 * S_MS,
	  .help = "Time within which refusals are counted." },
	{ .name = "nat_memory",
	  PUSHDOWN(nat_memory_ms),
	  .type = &conf_type_duration,
	  .def = "10m",
	  .min = S_MS,
	  .max = DAY_MS,
	  .help = "A source where another consumer was served within this time gets no verdict." },
	{ .name = "max_per_minute",
	  PUSHDOWN(max_per_minute),
	  .type = &conf_type_number,
	  .def = "100",
	  .min = 1,
	  .max = 100000,
	  .help = "Verdicts a minute, at most." },
	{ .name = "steps",
	  CONF_SUBS_AT(struct conf_pushdown, steps, n_steps, &conf_table_step),
	  .flags = CONF_ORDERED,
	  .max_items = 16,
	  .def = "[{action: drop_new, ttl: 10s}, {action: drop, ttl: 60s}]",
	  .help = "The ladder: a source that goes on is taken to the next step, which is neither "
		  "weaker nor shorter." },
	{ .name = "trusted",
	  CONF_LIST_AT(struct conf_pushdown, trusted, n_trusted),
	  .type = &conf_type_prefix,
	  .max_items = 1U << 16,
	  .help = "Sources that never get a verdict." },
};

const struct conf_table conf_table_pushdown =
	CONF_TABLE("pushdown", pushdown_rows, struct conf_pushdown, );
