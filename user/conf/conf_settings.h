/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the configuration says, in structs: one per map of the file. Which text sets which field, and
 * to what by default, is in the rows (conf_rows.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice/abi/addr.h"
#include "sluice/abi/limit.h"

struct conf_names;
struct conf_arena;

#define CONF_NAME_MAX	      63 /* characters of a name: [a-z0-9][a-z0-9_.-]* */
#define CONF_PLAN_LIMITS_MAX  4
#define CONF_CERTIFICATES_MAX 256 /* of a listener: TLS_PAIRS_MAX */
#define CONF_HEADERS_MAX      256 /* HTTP_FIELDS_MAX */
#define CONF_KEY_MIN_BYTES    16  /* of an API key in clear: shorter ones can be guessed */

enum conf_mode { CONF_OFF, CONF_SHADOW, CONF_ENFORCE };
enum conf_hook { CONF_HOOK_XDP, CONF_HOOK_TC };
enum conf_xdp_mode { CONF_XDP_AUTO, CONF_XDP_NATIVE, CONF_XDP_GENERIC };
enum conf_attach { CONF_ATTACH_AUTO, CONF_ATTACH_LINK, CONF_ATTACH_LIBXDP };
enum conf_unknown_l4 { CONF_L4_PASS, CONF_L4_DROP };
enum conf_per { CONF_PER_SOURCE, CONF_PER_PREFIX };

/* Where the file says it, from 1; 0: it does not, or an operator's change does. */
struct conf_place {
	uint32_t line, column;
};

/* "100/s", "6000/min", "1MB/s": count per period_ns; count 0: not limited. */
struct conf_rate {
	uint64_t count;
	uint64_t period_ns;
	uint64_t burst; /* units, never 0 when count is not */
};

struct conf_device {
	char *name;
	enum conf_hook hook;
	enum conf_xdp_mode mode;
	enum conf_attach attach;
};

struct conf_dataplane {
	bool enabled; /* false: an agent without a kernel half */
	struct conf_device *devices;
	size_t n_devices;
	uint32_t max_clients;
	uint32_t limit_rows; /* cells of all limits together */
	uint32_t max_acl;
	uint32_t max_verdicts;
	uint32_t max_vips;
	uint32_t max_backends;
	uint32_t max_meters;
	uint32_t ring_size;
	enum conf_unknown_l4 unknown_l4;
	uint32_t events_per_s;
	uint16_t *amplification_ports; /* of UDP, that reflectors answer from */
	size_t n_amplification_ports;
};

struct conf_acl {
	struct prefix *allow;
	size_t n_allow;
	struct prefix *deny;
	size_t n_deny;
};

/* A port, or a range with both its ends. */
struct conf_ports {
	uint16_t first;
	uint16_t last;
};

/*
 * A limit of the kernel: one class. Without sources it is for everybody at its vips, ports, protocol
 * or of its kind; a limit that has none of these either does nothing.
 */
struct conf_limit {
	char *name;
	struct prefix *sources;
	size_t n_sources;
	char **vips; /* those whose `limit` names it do not show here: limit_compile.h */
	size_t n_vips;
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP; 0: any */
	struct conf_ports *ports;
	size_t n_ports;
	uint8_t kind;			    /* enum limit_kind */
	uint8_t per;			    /* enum conf_per */
	struct conf_rate unit[LIMIT_UNITS]; /* of each source */
	struct conf_rate total[LIMIT_UNITS];
	uint32_t rows; /* cells in each of its two rows: a power of two */
	bool dry_run;
};

struct conf_backend {
	char *name;
	struct addr address;
	uint32_t weight; /* 0: drained */
	bool has_mac;
	uint8_t mac[6]; /* instead of neighbour resolution */
	char *device;	/* NULL: by route */
};

struct conf_vip {
	char *name;
	struct addr address;
	uint16_t port;
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP */
	char *limit;	  /* name of a limit, per source of this vip; NULL */
	struct conf_backend *backends;
	size_t n_backends;
};

struct conf_certificate {
	char *certificate; /* path of the PEM chain */
	char *key;	   /* path of the PEM key */
	struct conf_place certificate_place, key_place;
};

struct conf_listener {
	char *name;
	struct addr address;
	uint16_t port;
	struct conf_certificate *certificates; /* none: clear text */
	size_t n_certificates;
	uint32_t max_connections; /* per worker */
	uint64_t handshake_timeout_ms;
	uint64_t header_timeout_ms;	/* from the first byte to the end of the header */
	uint64_t body_timeout_ms;	/* over which a client's minimum rate is an average */
	uint64_t body_total_timeout_ms; /* from the header to the end of the body; 0: none */
	uint64_t idle_timeout_ms;	/* keep-alive between requests */
	uint32_t max_header_bytes;
	uint32_t max_headers;
	uint32_t max_uri_bytes;
	uint64_t max_body_bytes;
};

struct conf_endpoint {
	struct addr address;
	uint16_t port;
	uint32_t weight;
};

struct conf_cluster {
	char *name;
	struct conf_endpoint *endpoints;
	size_t n_endpoints;
	uint64_t connect_timeout_ms;
	uint64_t response_timeout_ms; /* until the response header */
	uint64_t idle_timeout_ms;     /* of kept connections */
	uint32_t max_idle;	      /* kept connections per worker and endpoint */
	uint32_t max_connections;     /* per worker and endpoint */
	uint32_t retry_budget_percent;
};

struct conf_policies {
	bool api_key_required; /* 401 without a known key */
	char *api_key_header;  /* "x-api-key"; NULL: no identification on this route */
	char **plans;	       /* authorise: consumers of these plans only; none: all */
	size_t n_plans;
	enum conf_mode limit; /* the limits of the consumer's plan */
};

struct conf_route {
	char *name;
	char **hosts; /* "api.example.com", "*.example.com"; none: any */
	size_t n_hosts;
	char **paths; /* prefixes on segment boundaries, or exact with "=" in front; none: "/" */
	size_t n_paths;
	char **listeners; /* names; none: all */
	size_t n_listeners;
	char *cluster;
	struct conf_policies policies;
};

struct conf_plan_limit {
	char *name;
	struct conf_rate rate;
};

struct conf_plan {
	char *name;
	struct conf_plan_limit *limits;
	size_t n_limits; /* at most CONF_PLAN_LIMITS_MAX */
	struct conf_place place;
};

/* Only the SHA-256 of a key is kept; "key: secret" in the file is hashed while it is read. */
struct conf_consumer {
	char *name;
	char *plan;
	uint8_t (*keys_sha256)[32];
	size_t n_keys;
};

struct conf_pushdown_step {
	uint8_t action; /* enum verdict_action */
	uint64_t ttl_ms;
};

struct conf_pushdown {
	enum conf_mode mode;
	uint32_t refusals; /* within window: one step of the ladder */
	uint64_t window_ms;
	uint64_t nat_memory_ms;
	uint32_t max_per_minute; /* budget of verdicts */
	struct conf_pushdown_step *steps;
	size_t n_steps;
	struct prefix *trusted;
	size_t n_trusted;
};

struct conf_agent {
	uint32_t workers; /* 0: one per CPU */
	char *user;
	char *worker_user;
	char *state_dir;
	char *control_socket;
	char *control_group; /* may use the socket; NULL: root only */
	struct addr internal_address;
	uint16_t internal_port;
	char *bpffs_dir;	 /* /sys/fs/bpf/sluice */
	char **certificate_dirs; /* none: the file's own and /etc/sluice */
	size_t n_certificate_dirs;
	uint16_t *privileged_ports; /* below 1024, that a reload may begin to listen at */
	size_t n_privileged_ports;
	char *log_level;
	bool access_log;
	uint64_t drain_delay_ms;
	uint64_t drain_timeout_ms;
	struct conf_place user_place, worker_user_place, control_group_place, bpffs_dir_place;
};

struct conf {
	struct conf_agent agent;
	struct conf_dataplane dataplane;
	struct conf_acl acl;
	struct conf_limit *limits;
	size_t n_limits;
	struct conf_vip *vips;
	size_t n_vips;
	struct conf_listener *listeners;
	size_t n_listeners;
	struct conf_cluster *clusters;
	size_t n_clusters;
	struct conf_route *routes;
	size_t n_routes;
	struct conf_plan *plans;
	size_t n_plans;
	struct conf_consumer *consumers;
	size_t n_consumers;
	struct conf_pushdown pushdown;
	/* Private: what conf_limit and its like search, and the memory of all of this. */
	struct conf_names *names;
	struct conf_arena *arena;
};
