/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the configuration says, in structs: one per map of the file. Which text sets which field, and
 * to what by default, is in the rows (conf_rows.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf_settings_kernel.h"
#include "conf_settings_upstream.h"
#include "sluice/abi/addr.h"

struct conf_names;
struct conf_arena;

#define CONF_NAME_MAX	      63 /* characters of a name: [a-z0-9][a-z0-9_.-]* */
#define CONF_PLAN_LIMITS_MAX  4
#define CONF_CERTIFICATES_MAX 256 /* of a listener: TLS_PAIRS_MAX */
#define CONF_HEADERS_MAX      256 /* HTTP_FIELDS_MAX */
#define CONF_KEY_MIN_BYTES    16  /* of an API key in clear: shorter ones can be guessed */

enum conf_mode { CONF_OFF, CONF_SHADOW, CONF_ENFORCE };

struct conf_certificate {
	char *certificate; /* path of the PEM chain */
	char *key;	   /* path of the PEM key */
	struct conf_place certificate_place, key_place;
};

/* Connections to these go to the listener too, by sk_lookup (abi/steer.h). */
struct conf_steer {
	struct prefix prefix; /* of the family of the listener's address */
	struct conf_ports ports;
	uint8_t protocol; /* IPPROTO_TCP */
	uint8_t absent;	  /* enum steer_absent */
};

enum conf_proxy_others { CONF_PROXY_REFUSE, CONF_PROXY_SERVE };

/* PROXY protocol of connections that come in. All zero: no header is looked for. */
struct conf_proxy_in {
	struct prefix *from; /* proxies that are believed */
	size_t n_from;
	bool required;	/* of them; otherwise what does not begin as a header is none */
	uint8_t others; /* enum conf_proxy_others */
	uint64_t timeout_ms;
};

/* How a listener speaks TLS; names are OpenSSL's. */
struct conf_tls {
	uint16_t min_version, max_version; /* 0x0303, 0x0304 */
	char **ciphers;			   /* of TLS 1.2, best first */
	size_t n_ciphers;
	char **suites; /* of TLS 1.3 */
	size_t n_suites;
	char **groups;
	size_t n_groups;
	uint64_t lifetime_ms; /* of sessions; 0: none is resumed */
	bool strict_names;
};

enum conf_client_auth_mode {
	CONF_CLIENT_AUTH_OFF,
	CONF_CLIENT_AUTH_OPTIONAL,
	CONF_CLIENT_AUTH_REQUIRED
};

/* Certificates of clients. */
struct conf_client_auth {
	uint8_t mode; /* enum conf_client_auth_mode */
	char *ca;     /* path of the PEM authorities */
	char *crl;    /* path of PEM CRLs; NULL: none */
	uint32_t depth;
	struct conf_place ca_place, crl_place;
};

struct conf_listener {
	char *name;
	struct addr address;
	uint16_t port;
	struct conf_steer *steer;
	size_t n_steer;
	struct conf_certificate *certificates; /* none: clear text */
	size_t n_certificates;
	struct conf_tls tls;
	struct conf_client_auth client_auth;
	struct conf_proxy_in proxy_protocol;
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
	bool http2;
};

struct conf_policies {
	bool client_certificate; /* 403 without one */
	bool api_key_required;	 /* 401 without a known key */
	char *api_key_header;	 /* "x-api-key"; NULL: no identification on this route */
	char **plans;		 /* authorise: consumers of these plans only; none: all */
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
	uint64_t timeout_ms; /* of a request until its response's end; 0: none */
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
	bool watch_certificates;
	uint16_t *privileged_ports; /* below 1024, that a reload may begin to listen at */
	size_t n_privileged_ports;
	char *log_level;
	bool access_log;
	uint64_t drain_delay_ms;
	uint64_t drain_timeout_ms;
	uint32_t worker_connections; /* 0: as many as there are descriptors */
	uint64_t worker_memory;	     /* bytes; 0: not limited */
	uint64_t worker_lag_ms;	     /* 0: not limited */
	struct conf_place user_place, worker_user_place, control_group_place, bpffs_dir_place;
};

struct conf {
	struct conf_agent agent;
	struct conf_dataplane dataplane;
	struct conf_acl acl;
	struct conf_geoip geoip;
	struct conf_guard guard;
	struct conf_nat nat;
	struct conf_decap decap;
	struct conf_limit *limits;
	size_t n_limits;
	struct conf_response *responses;
	size_t n_responses;
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
