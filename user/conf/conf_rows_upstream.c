/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of clusters: endpoints, TLS to them, deadlines. */
#include "conf_node.h"
#include "conf_rows.h"

#define S_MS   1000ULL
#define DAY_MS (86400 * S_MS)

static const struct conf_row endpoint_rows[] = {
	{ .name = "address",
	  CONF_AT2(struct conf_endpoint, address, port),
	  .type = &conf_type_address_port,
	  .flags = CONF_REQUIRED,
	  .help = "Where it listens." },
	{ .name = "weight",
	  CONF_AT(struct conf_endpoint, weight),
	  .type = &conf_type_number,
	  .def = "1",
	  .max = 1000,
	  .help = "Its share of requests; 0 drains it." },
};

static const struct conf_table conf_table_endpoint =
	CONF_TABLE("endpoint", endpoint_rows, struct conf_endpoint, .shorthand = "address");

static const struct conf_word name_from_words[] = { { "endpoint", CONF_TLS_NAME_ENDPOINT },
						    { "request", CONF_TLS_NAME_REQUEST },
						    { NULL, 0 } };
static const struct conf_word version_words[] = { { "1.2", CONF_TLS_1_2 },
						  { "1.3", CONF_TLS_1_3 },
						  { NULL, 0 } };
static const struct conf_word alpn_words[] = { { "http/1.1", CONF_TLS_ALPN_HTTP1 },
					       { "none", CONF_TLS_ALPN_NONE },
					       { NULL, 0 } };

#define TLS(field) CONF_AT(struct conf_upstream_tls, field)

static const struct conf_row tls_rows[] = {
	{ .name = "verify",
	  TLS(verify),
	  .type = &conf_type_bool,
	  .def = "true",
	  .help = "Check certificates of endpoints: by whom they are signed, their dates and their "
		  "name." },
	{ .name = "ca",
	  TLS(ca),
	  .type = &conf_type_path,
	  .def = "/etc/ssl/certs/ca-certificates.crt",
	  .help = "PEM file of the authorities that they are checked by; one that agent.user can "
		  "read, owned by it or by root and writable by nobody else." },
	{ .name = "server_name",
	  TLS(server_name),
	  .type = &conf_type_host,
	  .def_help = "the endpoint's address",
	  .help = "Name to ask for (SNI) and to find in the certificate. An address is not asked "
		  "for, and looked for among the certificate's addresses." },
	{ .name = "name_from",
	  TLS(name_from),
	  .type = &conf_type_word,
	  .words = name_from_words,
	  .def = "endpoint",
	  .help = "request: the name is the request's host, and connections are used again only for "
		  "the host that they were made for." },
	{ .name = "certificate",
	  TLS(certificate),
	  .type = &conf_type_path,
	  .help = "PEM file of the certificate, with its chain, that endpoints are shown; below "
		  "agent.certificate_dirs." },
	{ .name = "key",
	  TLS(key),
	  .type = &conf_type_path,
	  .help = "PEM file of its private key." },
	{ .name = "min_version",
	  TLS(min_version),
	  .type = &conf_type_word,
	  .words = version_words,
	  .def = "1.2",
	  .help = "Oldest version of TLS." },
	{ .name = "alpn",
	  TLS(alpn),
	  .type = &conf_type_word,
	  .words = alpn_words,
	  .def = "http/1.1",
	  .help = "Protocol that is offered; none for servers that take offence at one." },
};

static void tls_derive(void *item, const struct conf_node *node)
{
	struct conf_upstream_tls *tls = item;

	tls->ca_place = conf_node_place(node, "ca");
	tls->certificate_place = conf_node_place(node, "certificate");
	tls->key_place = conf_node_place(node, "key");
}

static const struct conf_table conf_table_upstream_tls =
	CONF_TABLE("tls", tls_rows, struct conf_upstream_tls, .derive = tls_derive);

static const struct conf_word proxy_out_words[] = { { "off", 0 },
						    { "v1", 1 },
						    { "v2", 2 },
						    { NULL, 0 } };

#define CLUSTER(field) CONF_AT(struct conf_cluster, field)
#define UPSTREAM_TIMEOUT(field) \
	CLUSTER(field), .type = &conf_type_duration, .min = 10, .max = DAY_MS

static const struct conf_row cluster_rows[] = {
	{ .name = "name",
	  CLUSTER(name),
	  .type = &conf_type_name,
	  .flags = CONF_REQUIRED,
	  .help = "Unique among clusters." },
	{ .name = "endpoints",
	  CONF_SUBS_AT(struct conf_cluster, endpoints, n_endpoints, &conf_table_endpoint),
	  .tier = CONF_TIER_DATA,
	  .flags = CONF_REQUIRED | CONF_FILLED,
	  .max_items = 10000,
	  .help = "Who answers, at least one. A lone word is an address." },
	{ .name = "tls",
	  CONF_SUB_AT(struct conf_cluster, tls, &conf_table_upstream_tls),
	  .tier = CONF_TIER_DATA,
	  .flags = CONF_NULLABLE,
	  .help = "TLS to endpoints; tls: {} is TLS with these defaults. Left out: clear text." },
	{ .name = "connect_timeout",
	  UPSTREAM_TIMEOUT(connect_timeout_ms),
	  .def = "2s",
	  .help = "For a connection to an endpoint." },
	{ .name = "response_timeout",
	  UPSTREAM_TIMEOUT(response_timeout_ms),
	  .def = "30s",
	  .help = "From the end of the request to the header of the response." },
	{ .name = "try_timeout",
	  CLUSTER(try_timeout_ms),
	  .type = &conf_type_duration,
	  .def = "0s",
	  .max = DAY_MS,
	  .help = "From the choice of an endpoint to the header of its response, the connection "
		  "included; then another one is asked where that is safe. 0 is none." },
	{ .name = "tunnel_timeout",
	  UPSTREAM_TIMEOUT(tunnel_timeout_ms),
	  .def = "10m",
	  .help = "How long a WebSocket may be silent both ways." },
	{ .name = "idle_timeout",
	  UPSTREAM_TIMEOUT(idle_timeout_ms),
	  .def = "30s",
	  .help = "How long an unused connection is kept; less than the endpoint keeps it." },
	{ .name = "max_idle",
	  CLUSTER(max_idle),
	  .type = &conf_type_number,
	  .def = "64",
	  .max = 100000,
	  .help = "Unused connections kept, per worker and endpoint." },
	{ .name = "max_connections",
	  CLUSTER(max_connections),
	  .type = &conf_type_number,
	  .def = "1024",
	  .min = 1,
	  .max = 1000000,
	  .help = "Connections, per worker and endpoint." },
	{ .name = "retry_budget",
	  CLUSTER(retry_budget_percent),
	  .type = &conf_type_number,
	  .def = "20",
	  .max = 100,
	  .help = "Requests that may be sent again, in percent." },
	{ .name = "proxy_protocol",
	  CLUSTER(proxy_protocol),
	  .type = &conf_type_word,
	  .words = proxy_out_words,
	  .def = "off",
	  .help = "Tell endpoints the client's address and port, and those that it dialled, in a "
		  "header of the PROXY protocol. A connection serves one connection of a client "
		  "then, and no other." },
};

const struct conf_table conf_table_cluster =
	CONF_TABLE("cluster", cluster_rows, struct conf_cluster, );
