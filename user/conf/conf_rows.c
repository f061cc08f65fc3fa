/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf_rows.h"

#include <string.h>

#include "conf_distance.h"
#include "conf_node.h"

static const struct conf_word workers_words[] = { { "auto", 0 }, { NULL, 0 } };

static const struct conf_word log_level_words[] = {
	{ "error", 0 }, { "warn", 0 }, { "info", 0 }, { "debug", 0 }, { NULL, 0 },
};

#define AGENT(field) CONF_AT(struct conf_agent, field)

static const struct conf_row agent_rows[] = {
	{ .name = "workers",
	  AGENT(workers),
	  .type = &conf_type_number,
	  .words = workers_words,
	  .tier = CONF_TIER_RESTART,
	  .def = "auto",
	  .min = 1,
	  .max = 64,
	  .help = "Worker processes; auto is one per CPU." },
	{ .name = "user",
	  AGENT(user),
	  .type = &conf_type_string,
	  .tier = CONF_TIER_RESTART,
	  .def = "sluice",
	  .max = 32,
	  .help = "User that the supervisor runs as." },
	{ .name = "worker_user",
	  AGENT(worker_user),
	  .type = &conf_type_string,
	  .tier = CONF_TIER_RESTART,
	  .def = "sluice-worker",
	  .max = 32,
	  .help = "User that the workers run as; it needs no rights of any kind." },
	{ .name = "state_dir",
	  AGENT(state_dir),
	  .type = &conf_type_path,
	  .tier = CONF_TIER_RESTART,
	  .def = "/var/lib/sluice",
	  .help = "Directory of sluice.db, which keeps operators' changes and the audit trail." },
	{ .name = "control_socket",
	  AGENT(control_socket),
	  .type = &conf_type_path,
	  .tier = CONF_TIER_RESTART,
	  .def = "/run/sluice/control.sock",
	  .max = 107,
	  .help = "UNIX socket that sluicectl(1) talks to." },
	{ .name = "control_group",
	  AGENT(control_group),
	  .type = &conf_type_string,
	  .tier = CONF_TIER_RESTART,
	  .max = 32,
	  .help = "Group that may use the control socket, beside root.",
	  .def_help = "none: root only" },
	{ .name = "internal",
	  CONF_AT2(struct conf_agent, internal_address, internal_port),
	  .type = &conf_type_address_port,
	  .tier = CONF_TIER_RESTART,
	  .def = "127.0.0.1:9901",
	  .help = "Listener of /metrics, /livez and /readyz, in clear text and without "
		  "authentication." },
	{ .name = "bpffs_dir",
	  AGENT(bpffs_dir),
	  .type = &conf_type_path,
	  .tier = CONF_TIER_RESTART,
	  .def = "/sys/fs/bpf/sluice",
	  .help = "Directory in a BPF file system that maps and links are pinned in." },
	{ .name = "certificate_dirs",
	  CONF_LIST_AT(struct conf_agent, certificate_dirs, n_certificate_dirs),
	  .type = &conf_type_path,
	  .tier = CONF_TIER_RESTART,
	  .max_items = 64,
	  .def_help = "/etc/sluice and the directory of the configuration file",
	  .help = "Directories that certificates and keys are read from, and from below; fixed "
		  "when sluiced starts. Symbolic links may not lead out of them." },
	{ .name = "watch_certificates",
	  CONF_AT(struct conf_agent, watch_certificates),
	  .type = &conf_type_bool,
	  .tier = CONF_TIER_DATA,
	  .def = "true",
	  .help = "Take certificates, keys, authorities and revocation lists anew when their files "
		  "have changed, without a reload." },
	{ .name = "privileged_ports",
	  CONF_LIST_AT(struct conf_agent, privileged_ports, n_privileged_ports),
	  .type = &conf_type_number,
	  .tier = CONF_TIER_RESTART,
	  .min = 1,
	  .max = 1023,
	  .max_items = 1023,
	  .def = "[80, 443]",
	  .help = "Ports below 1024 that a reload may begin to listen at, beside those of the "
		  "listeners when sluiced starts." },
	{ .name = "log_level",
	  AGENT(log_level),
	  .type = &conf_type_string,
	  .words = log_level_words,
	  .tier = CONF_TIER_DATA,
	  .def = "info",
	  .help = "The least important messages that are written." },
	{ .name = "access_log",
	  AGENT(access_log),
	  .type = &conf_type_bool,
	  .tier = CONF_TIER_DATA,
	  .def = "true",
	  .help = "Write one line per exchange." },
	{ .name = "drain_delay",
	  AGENT(drain_delay_ms),
	  .type = &conf_type_duration,
	  .tier = CONF_TIER_DATA,
	  .def = "5s",
	  .max = 3600000,
	  .help = "How long /readyz fails before the listeners close on SIGTERM; longer than a "
		  "load balancer in front takes to notice." },
	{ .name = "drain_timeout",
	  AGENT(drain_timeout_ms),
	  .type = &conf_type_duration,
	  .tier = CONF_TIER_DATA,
	  .def = "30s",
	  .max = 86400000,
	  .help = "How long open connections may take to end after that." },
	{ .name = "worker_connections",
	  AGENT(worker_connections),
	  .type = &conf_type_number,
	  .tier = CONF_TIER_DATA,
	  .def = "0",
	  .max = 10000000,
	  .help = "How many connections of clients a worker has; 0: as many as it has descriptors, "
		  "1000 less. At 90 % the longest idle are closed, at 95 % none is accepted." },
	{ .name = "worker_memory",
	  AGENT(worker_memory),
	  .type = &conf_type_size,
	  .tier = CONF_TIER_DATA,
	  .def = "1GiB",
	  .help = "How much memory a worker's connections and requests may take; 0: any. At 90 % "
		  "the longest idle connections are closed, at 95 % none is accepted, at 100 % "
		  "requests are answered 503." },
	{ .name = "worker_lag",
	  AGENT(worker_lag_ms),
	  .type = &conf_type_duration,
	  .tier = CONF_TIER_DATA,
	  .def = "2s",
	  .max = 3600000,
	  .help = "How long a worker may take for what there is to do at a time, twice in a row; "
		  "0: any. From half of it on no connection is accepted, at all of it requests are "
		  "answered 503." },
};

static void agent_derive(void *item, const struct conf_node *node)
{
	struct conf_agent *agent = item;

	agent->user_place = conf_node_place(node, "user");
	agent->worker_user_place = conf_node_place(node, "worker_user");
	agent->control_group_place = conf_node_place(node, "control_group");
	agent->bpffs_dir_place = conf_node_place(node, "bpffs_dir");
}

static const struct conf_table conf_table_agent =
	CONF_TABLE("agent", agent_rows, struct conf_agent, .derive = agent_derive);

#define ROOT_SUB(field, t)     CONF_SUB_AT(struct conf, field, t)
#define ROOT_SUBS(field, n, t) CONF_SUBS_AT(struct conf, field, n, t)

static const struct conf_row root_rows[] = {
	{ .name = "agent",
	  ROOT_SUB(agent, &conf_table_agent),
	  .tier = CONF_TIER_RESTART,
	  .help = "The process itself." },
	{ .name = "dataplane",
	  ROOT_SUB(dataplane, &conf_table_dataplane),
	  .tier = CONF_TIER_DATAPLANE,
	  .help = "The programs in the kernel and their maps." },
	{ .name = "acl",
	  ROOT_SUB(acl, &conf_table_acl),
	  .tier = CONF_TIER_DATA,
	  .help = "Sources that are always let through, and sources that are dropped." },
	{ .name = "geoip",
	  ROOT_SUB(geoip, &conf_table_geoip),
	  .tier = CONF_TIER_DATA,
	  .help = "Databases that say where sources are, read at start, reload and import." },
	{ .name = "guard",
	  ROOT_SUB(guard, &conf_table_guard),
	  .tier = CONF_TIER_DATA,
	  .help = "What answers SYNs while there are too many of them: SYN cookies for listeners "
		  "of this host, a check of the source for vips." },
	{ .name = "nat",
	  ROOT_SUB(nat, &conf_table_nat),
	  .tier = CONF_TIER_DATA,
	  .help = "How long flows of vips of mode nat stay without a packet." },
	{ .name = "decap",
	  ROOT_SUB(decap, &conf_table_decap),
	  .tier = CONF_TIER_DATA,
	  .help = "On a backend of vips of mode ipip or gue: takes their packets out of outer "
		  "headers, where no tunnel device does." },
	{ .name = "limits",
	  ROOT_SUBS(limits, n_limits, &conf_table_limit),
	  .tier = CONF_TIER_DATA,
	  .max_items = LIMIT_CLASSES - 1,
	  .help = "Limits that the kernel enforces, each source by itself. A source is an IPv4 "
		  "address or an IPv6 /64." },
	{ .name = "responses",
	  ROOT_SUBS(responses, n_responses, &conf_table_response),
	  .tier = CONF_TIER_DATA,
	  .max_items = 1024,
	  .help = "UDP services of this host whose answers are bounded by what they were asked." },
	{ .name = "vips",
	  ROOT_SUBS(vips, n_vips, &conf_table_vip),
	  .tier = CONF_TIER_DATA,
	  .max_items = 65535,
	  .help = "Addresses that the kernel balances over backends." },
	{ .name = "listeners",
	  ROOT_SUBS(listeners, n_listeners, &conf_table_listener),
	  .tier = CONF_TIER_LISTENERS,
	  .max_items = 1024,
	  .help = "Addresses where the agent terminates TLS and HTTP." },
	{ .name = "clusters",
	  ROOT_SUBS(clusters, n_clusters, &conf_table_cluster),
	  .tier = CONF_TIER_ROUTES,
	  .max_items = 10000,
	  .help = "Named sets of upstream endpoints." },
	{ .name = "routes",
	  ROOT_SUBS(routes, n_routes, &conf_table_route),
	  .tier = CONF_TIER_ROUTES,
	  .flags = CONF_ORDERED,
	  .max_items = 100000,
	  .help = "Which requests go to which cluster, and under which policies. An exact host "
		  "wins over a wildcard, a longer path over a shorter, the first in the file among "
		  "equals." },
	{ .name = "plans",
	  ROOT_SUBS(plans, n_plans, &conf_table_plan),
	  .tier = CONF_TIER_DATA,
	  .max_items = 10000,
	  .help = "The limits that a consumer has." },
	{ .name = "consumers",
	  ROOT_SUBS(consumers, n_consumers, &conf_table_consumer),
	  .tier = CONF_TIER_DATA,
	  .max_items = 1000000,
	  .help = "Who requests are from, by API key." },
	{ .name = "pushdown",
	  ROOT_SUB(pushdown, &conf_table_pushdown),
	  .tier = CONF_TIER_ROUTES,
	  .help = "When the agent tells the kernel to drop a source that it keeps refusing." },
};

const struct conf_table conf_table_root = CONF_TABLE("file", root_rows, struct conf, );

const struct conf_row *conf_row_find(const struct conf_table *table, const char *name)
{
	for (size_t i = 0; i < table->n; i++)
		if (strcmp(table->rows[i].name, name) == 0)
			return &table->rows[i];
	return NULL;
}

const struct conf_row *conf_row_nearest(const struct conf_table *table, const char *name)
{
	const struct conf_row *nearest = NULL;
	struct conf_distance best = conf_distance_start(str_of(name));

	for (size_t i = 0; i < table->n; i++)
		if (conf_distance_nearer(&best, str_of(table->rows[i].name)))
			nearest = &table->rows[i];
	return nearest;
}

static bool all_zero(const char *p, size_t n)
{
	while (n > 0 && p[n - 1] == 0)
		n--;
	return n == 0;
}

bool conf_row_is_zero(const struct conf_table *table, const void *item)
{
	for (size_t i = 0; i < table->n; i++) {
		const struct conf_row *row = &table->rows[i];
		const char *field = conf_row_field(row, item);
		bool zero;

		if (row->shape == CONF_SUB)
			zero = conf_row_is_zero(row->table, field);
		else if (row->shape == CONF_VALUE)
			zero = all_zero(field, row->width);
		else
			zero = conf_row_count(row, item) == 0;
		if (!zero)
			return false;
	}
	return true;
}

const struct conf_row *conf_row_name(const struct conf_table *table)
{
	return table->n && table->rows[0].type == &conf_type_name ? &table->rows[0] : NULL;
}

bool conf_row_is_unset(const struct conf_row *row, const void *item)
{
	if (row->shape != CONF_VALUE)
		return false;
	if (row->type == &conf_type_mac || row->type == &conf_type_address_opt ||
	    row->type == &conf_type_server_id || row->type == &conf_type_duration_opt)
		return !*(const bool *)conf_row_aux(row, item);
	return row->type->string && !*(char **)conf_row_field(row, item);
}
