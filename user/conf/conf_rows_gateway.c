/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of what the agent does: listeners, routes, plans, consumers, pushdown. */
#include <netinet/in.h>

#include "conf_node.h"
#include "conf_rate.h"
#include "conf_rows.h"
#include "sluice/abi/steer.h"
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

static const struct conf_row certificate_rows[] = {
	{ .name = "certificate",
	  CONF_AT(struct conf_certificate, certificate),
	  .type = &conf_type_path,
	  .flags = CONF_REQUIRED,
	  .help = "PEM file of the certificate and its chain." },
	{ .name = "key",
	  CONF_AT(struct conf_certificate, key),
	  .type = &conf_type_path,
	  .flags = CONF_REQUIRED,
	  .help = "PEM file of its private key." },
};

static void certificate_derive(void *item, const struct conf_node *node)
{
	struct conf_certificate *certificate = item;

	certificate->certificate_place = conf_node_place(node, "certificate");
	certificate->key_place = conf_node_place(node, "key");
}

static const struct conf_table conf_table_certificate = CONF_TABLE(
	"certificate", certificate_rows, struct conf_certificate, .derive = certificate_derive);

static const struct conf_word protocol_words[] = { { "tcp", IPPROTO_TCP },
						   { "udp", IPPROTO_UDP },
						   { NULL, 0 } };
static const struct conf_word absent_words[] = { { "drop", STEER_ABSENT_DROP },
						 { "pass", STEER_ABSENT_PASS },
						 { NULL, 0 } };

static const struct conf_row steer_rows[] = {
	{ .name = "prefix",
	  CONF_AT(struct conf_steer, prefix),
	  .type = &conf_type_prefix,
	  .flags = CONF_REQUIRED,
	  .help = "Addresses that connections are for; 0.0.0.0/0 and ::/0 are all that the host "
		  "has. What it has not becomes local to it by a route that the agent makes." },
	{ .name = "ports",
	  CONF_AT(struct conf_steer, ports),
	  .type = &conf_type_ports,
	  .def = "1-65535",
	  .help = "A port, or a range of them." },
	{ .name = "protocol",
	  CONF_AT(struct conf_steer, protocol),
	  .type = &conf_type_word,
	  .words = protocol_words,
	  .def = "tcp",
	  .help = "tcp; udp is refused, since no listener speaks it." },
	{ .name = "absent",
	  CONF_AT(struct conf_steer, absent),
	  .type = &conf_type_word,
	  .words = absent_words,
	  .def = "drop",
	  .help = "What becomes of a connection while the listener has no socket, as between two "
		  "runs of the agent: it is refused and counted, or passed to whoever else "
		  "listens there." },
};

static const struct conf_table conf_table_steer =
	CONF_TABLE("steer", steer_rows, struct conf_steer, .shorthand = "prefix");

static const struct conf_word proxy_others_words[] = { { "refuse", CONF_PROXY_REFUSE },
						       { "serve", CONF_PROXY_SERVE },
						       { NULL, 0 } };

static const struct conf_row proxy_in_rows[] = {
	{ .name = "from",
	  CONF_LIST_AT(struct conf_proxy_in, from, n_from),
	  .type = &conf_type_prefix,
	  .flags = CONF_REQUIRED | CONF_FILLED,
	  .max_items = 256,
	  .help = "Proxies that are believed. Refusals of what they bring never become verdicts." },
	{ .name = "required",
	  CONF_AT(struct conf_proxy_in, required),
	  .type = &conf_type_bool,
	  .def = "true",
	  .help = "Close their connections that begin without a header. false is for the time "
		  "of a change: a client behind a proxy that adds none could write its own." },
	{ .name = "others",
	  CONF_AT(struct conf_proxy_in, others),
	  .type = &conf_type_word,
	  .words = proxy_others_words,
	  .def = "refuse",
	  .help = "Connections from elsewhere: close them, or serve them as they are, without "
		  "looking for a header." },
	{ .name = "timeout",
	  CONF_AT(struct conf_proxy_in, timeout_ms),
	  .type = &conf_type_duration,
	  .def = "5s",
	  .min = 10,
	  .max = DAY_MS,
	  .help = "For the header; the time for the TLS handshake begins behind it." },
};

static const struct conf_table conf_table_proxy_in =
	CONF_TABLE("proxy_protocol", proxy_in_rows, struct conf_proxy_in, );

#define LISTENER(field) CONF_AT(struct conf_listener, field)
#define TIMEOUT(field)	LISTENER(field), .type = &conf_type_duration, .min = 10, .max = DAY_MS

static const struct conf_row listener_rows[] = {
	{ .name = "name",
	  LISTENER(name),
	  .type = &conf_type_name,
	  .flags = CONF_REQUIRED,
	  .help = "Unique among listeners." },
	{ .name = "address",
	  LISTENER(address),
	  .type = &conf_type_address,
	  .flags = CONF_REQUIRED,
	  .help = "Address to listen at; 0.0.0.0 is every IPv4 address, :: every IPv6 one." },
	{ .name = "port",
	  LISTENER(port),
	  .type = &conf_type_number,
	  .flags = CONF_REQUIRED,
	  .min = 1,
	  .help = "TCP port to listen at." },
	{ .name = "steer",
	  CONF_SUBS_AT(struct conf_listener, steer, n_steer, &conf_table_steer),
	  .tier = CONF_TIER_DATA,
	  .max_items = 1024,
	  .help = "More addresses and ports whose connections are the listener's, without a socket "
		  "each. The longest prefix wins, within one the narrowest range. A lone word is "
		  "a prefix." },
	{ .name = "certificates",
	  CONF_SUBS_AT(struct conf_listener, certificates, n_certificates, &conf_table_certificate),
	  .tier = CONF_TIER_DATA,
	  .flags = CONF_ORDERED,
	  .max_items = CONF_CERTIFICATES_MAX,
	  .help = "Chosen by the name that the client asks for, the first where none matches. "
		  "Without any the listener speaks clear text." },
	{ .name = "proxy_protocol",
	  CONF_SUB_AT(struct conf_listener, proxy_protocol, &conf_table_proxy_in),
	  .flags = CONF_NULLABLE,
	  .help = "Take the client's address from a header of the PROXY protocol, version 1 or 2. "
		  "Left out: no header is looked for." },
	{ .name = "max_connections",
	  LISTENER(max_connections),
	  .type = &conf_type_number,
	  .def = "10000",
	  .min = 1,
	  .max = 1000000,
	  .help = "Open connections, per worker." },
	{ .name = "handshake_timeout",
	  TIMEOUT(handshake_timeout_ms),
	  .def = "10s",
	  .help = "For the TLS handshake." },
	{ .name = "header_timeout",
	  TIMEOUT(header_timeout_ms),
	  .def = "10s",
	  .help = "From the first byte of a request to the end of its header." },
	{ .name = "body_timeout",
	  TIMEOUT(body_timeout_ms),
	  .def = "30s",
	  .help = "Over which a client owes 512 bytes a second on the average, of a body or in "
		  "taking a response." },
	{ .name = "body_total_timeout",
	  LISTENER(body_total_timeout_ms),
	  .type = &conf_type_duration,
	  .def = "1h",
	  .max = DAY_MS,
	  .help = "From the header of a request to the end of its body, however fast; 0 is for "
		  "ever. Responses and WebSockets have none." },
	{ .name = "idle_timeout",
	  TIMEOUT(idle_timeout_ms),
	  .def = "60s",
	  .help = "Between two requests on a connection." },
	{ .name = "max_header_bytes",
	  LISTENER(max_header_bytes),
	  .type = &conf_type_size,
	  .def = "32KiB",
	  .min = 1024,
	  .max = 1 << 20,
	  .help = "Request line and header together; more is answered 431." },
	{ .name = "max_headers",
	  LISTENER(max_headers),
	  .type = &conf_type_number,
	  .def = "100",
	  .min = 1,
	  .max = CONF_HEADERS_MAX,
	  .help = "Header fields; more is answered 431." },
	{ .name = "max_uri_bytes",
	  LISTENER(max_uri_bytes),
	  .type = &conf_type_size,
	  .def = "8KiB",
	  .min = 64,
	  .max = 1 << 20,
	  .help = "Length of the target; more is answered 414." },
	{ .name = "max_body_bytes",
	  LISTENER(max_body_bytes),
	  .type = &conf_type_size,
	  .def = "1GiB",
	  .max = 1ULL << 50,
	  .help = "Length of a body; more is answered 413." },
	{ .name = "http2",
	  LISTENER(http2),
	  .type = &conf_type_bool,
	  .def = "true",
	  .help = "Speak HTTP/2 to clients that ask for it: by ALPN over TLS, by prior knowledge in "
		  "clear text. Holds for new connections." },
};

const struct conf_table conf_table_listener =
	CONF_TABLE("listener", listener_rows, struct conf_listener, );

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
