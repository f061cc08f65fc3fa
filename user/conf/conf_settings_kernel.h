/* SPDX-License-Identifier: BSD-2-Clause */
/* What the configuration says of the kernel half, in structs; of the rest: conf_settings.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "acl_feed.h"
#include "conf_place.h"
#include "conf_settings_health.h"
#include "sluice/abi/addr.h"
#include "sluice/abi/limit.h"
#include "sluice/abi/quic.h"

enum conf_hook { CONF_HOOK_XDP, CONF_HOOK_TC };
enum conf_xdp_mode { CONF_XDP_AUTO, CONF_XDP_NATIVE, CONF_XDP_GENERIC };
enum conf_attach { CONF_ATTACH_AUTO, CONF_ATTACH_LINK, CONF_ATTACH_LIBXDP };
enum conf_unknown_l4 { CONF_L4_PASS, CONF_L4_DROP };
enum conf_guard_mode { CONF_GUARD_INHERIT, CONF_GUARD_OFF, CONF_GUARD_AUTO, CONF_GUARD_ALWAYS };
enum conf_per { CONF_PER_SOURCE, CONF_PER_PREFIX };
enum conf_direction { CONF_INGRESS, CONF_EGRESS };

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
	uint32_t limit_rows;		/* cells of all limits together */
	uint64_t limit_key_lifetime_ms; /* 0: for ever */
	uint32_t max_acl;
	uint32_t max_verdicts;
	uint32_t max_vips;
	uint32_t max_backends;
	uint32_t max_meters;
	uint32_t max_responses; /* clients of `responses` that have credit at a time */
	uint32_t
		max_concurrent; /* sources, of all limits, whose connections are counted at a time */
	uint32_t max_nat_flows; /* of all vips of mode nat, at a time */
	char *cgroup;		/* whose connections are counted; NULL: the root */
	uint32_t ring_size;
	uint32_t max_flows; /* of all vips, noted while their rings change */
	enum conf_unknown_l4 unknown_l4;
	uint32_t events_per_s;
	uint32_t echo_per_s;	/* answers to echo requests to vips; 0: they are the host's */
	uint32_t too_big_per_s; /* answers to what does not fit to its backend; 0: none */
	uint16_t *amplification_ports; /* of UDP, that reflectors answer from */
	size_t n_amplification_ports;
};

/* A file that somebody else keeps up to date; read by the agent, see agent/acl_source.h. */
struct conf_acl_file {
	char *path;
	enum acl_feed_format format;
	char *column; /* of CSV; NULL: the first */
	struct conf_place place;
};

struct conf_acl {
	struct prefix *allow;
	size_t n_allow;
	struct prefix *deny;
	size_t n_deny;
	struct conf_acl_file *deny_files;
	size_t n_deny_files;
	char **deny_countries; /* of geoip.country */
	size_t n_deny_countries;
	uint32_t *deny_asns; /* of geoip.asn */
	size_t n_deny_asns;
};

/* Databases in MaxMind's format; NULL: none. */
struct conf_geoip {
	char *country;
	char *asn;
};

/* A backend's: what it takes out of outer headers, by xdp_decap. */
struct conf_decap {
	char **devices;
	size_t n_devices;
	bool ipip;
	uint16_t gue_port;	/* 0: none */
	struct prefix *sources; /* who may send */
	size_t n_sources;
};

/* What happens to SYNs in a flood of them; of vips, and of the listeners of this host. */
struct conf_guard {
	enum conf_guard_mode mode; /* of all that inherit it */
	enum conf_guard_mode listeners;
	uint32_t on_per_s;
	uint32_t off_per_s; /* at most on_per_s */
	uint64_t hold_ms;
	uint32_t reset; /* enum guard_reset */
};

/* How long a flow of mode nat stays without a packet. */
struct conf_nat {
	uint64_t tcp_opening_ms; /* until the client went on after an answer */
	uint64_t tcp_established_ms;
	uint64_t tcp_closing_ms; /* one side has ended */
	uint64_t tcp_closed_ms;	 /* both have, or one of them reset it */
	uint64_t udp_opening_ms; /* until there were packets of both sides, and more */
	uint64_t udp_established_ms;
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
	char **countries; /* sources too, once the agent has looked them up: agent/geoip.h */
	size_t n_countries;
	uint32_t *asns;
	size_t n_asns;
	char **vips; /* those whose `limit` names it do not show here: limit_compile.h */
	size_t n_vips;
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP; 0: any */
	struct conf_ports *ports;
	size_t n_ports;
	uint8_t kind;			    /* enum limit_kind */
	uint8_t per;			    /* enum conf_per */
	uint8_t direction;		    /* enum conf_direction */
	struct conf_rate unit[LIMIT_UNITS]; /* of each source */
	struct conf_rate total[LIMIT_UNITS];
	uint32_t concurrent; /* connections of a source at a time; 0: any number */
	uint32_t rows;	     /* cells in each of its two rows: a power of two */
	bool dry_run;
	struct conf_place place;
};

/* A UDP service of this host: bytes that it may send for each byte that its client sent. */
struct conf_response {
	char *name;
	struct addr address;
	uint16_t port;
	uint32_t factor;
	bool dry_run;
};

#define CONF_QUIC_MAX 2 /* of a vip: map quic_servers has room for so many times max_backends */

/* Connection ids of QUIC that name a backend: draft-ietf-quic-load-balancers. */
struct conf_quic {
	uint8_t config_id; /* config rotation, 0..6 */
	uint8_t server_id_bytes;
	uint8_t nonce_bytes;
	char *key; /* path of the PEM file with the key; NULL: in plain text */
	struct conf_place key_place;
	/* What is in the file: by who applies the configuration, wiped when it is freed. */
	uint8_t secret[QUIC_KEY_BYTES];
	bool has_secret;
};

struct conf_backend {
	char *name;
	struct addr address;
	uint32_t weight; /* 0: drained */
	bool has_mac;
	uint8_t mac[6];	   /* instead of neighbour resolution */
	char *device;	   /* NULL: by route */
	uint64_t drain_by; /* seconds since 1970: no new flows, and by then no old ones; 0: not */
	bool has_server_id;
	uint8_t server_id[QUIC_SERVER_ID_MAX]; /* a number, big-endian */
	uint16_t port;			       /* of mode nat, its own; 0: the vip's */
};

#define CONF_MSS_AUTO 1 /* to what fits to the backend */
#define CONF_MSS_MIN  88

struct conf_vip {
	char *name;
	struct addr address;
	uint16_t port;
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP */
	uint8_t mode;	  /* enum backend_mode */
	/* Of more than one address or port (vip_place.h): */
	uint16_t port_last;   /* 0: just port; of any port 65535, and port is 0 */
	uint8_t address_bits; /* 0: just address; else 1 + the length of the prefix in 128 bits */
	bool has_source;
	struct addr source; /* of outer headers, to backends of its family */
	uint16_t gue_port;
	bool echo;	    /* echo requests to its addresses are answered at the edge */
	uint16_t mss_clamp; /* a SYN's segment size is lowered to it; CONF_MSS_AUTO; 0: is not */
	char *limit;	    /* name of a limit, per source of this vip; NULL */
	enum conf_guard_mode guard;
	struct conf_health health;
	uint64_t slow_start_ms; /* from a recovery to the whole weight; 0: at once */
	enum conf_all_down all_down;
	bool has_drain;
	uint32_t ring_size; /* 0: dataplane.ring_size, which is the most */
	bool by_client;	    /* one backend for all flows of a client */
	uint64_t drain_ms;  /* for how long a change of its ring has flows of before; 0: not */
	struct conf_backend *backends;
	size_t n_backends;
	struct conf_quic *quic;
	size_t n_quic;
	struct addr *snat; /* of mode nat: whom backends see and answer; none: the client */
	size_t n_snat;
};
