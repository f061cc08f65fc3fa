/* SPDX-License-Identifier: BSD-2-Clause */
/* Who answers requests, in structs, as conf_settings.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf_place.h"
#include "sluice/abi/addr.h"

/* Whose name a server's certificate has to have, and SNI asks for. */
enum conf_tls_name {
	CONF_TLS_NAME_ENDPOINT, /* server_name, else the endpoint's own */
	CONF_TLS_NAME_REQUEST,	/* the request's host */
};

enum conf_tls_alpn { CONF_TLS_ALPN_NONE, CONF_TLS_ALPN_HTTP1 };

#define CONF_TLS_1_2 0x0303 /* as on the wire, RFC 8446 s4.2.1 */
#define CONF_TLS_1_3 0x0304

#define CONF_AUTHORITIES_MAX 256 /* different files of all clusters */
#define CONF_HOST_MAX	     255 /* characters of a host */

/* TLS to endpoints; min_version 0: clear text. */
struct conf_upstream_tls {
	bool verify;
	char *ca;	   /* PEM file of the authorities, where it is verified */
	char *server_name; /* NULL: the endpoint's */
	uint8_t name_from; /* enum conf_tls_name */
	uint8_t alpn;	   /* enum conf_tls_alpn */
	uint16_t min_version;
	char *certificate; /* PEM chain that we show; NULL: none */
	char *key;
	struct conf_place ca_place, certificate_place, key_place;
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
	struct conf_upstream_tls tls;
	uint64_t connect_timeout_ms;
	uint64_t response_timeout_ms; /* until the response header */
	uint64_t try_timeout_ms;      /* of one attempt, until the response header; 0: none */
	uint64_t tunnel_timeout_ms;   /* without a byte, after 101 */
	uint64_t idle_timeout_ms;     /* of kept connections */
	uint32_t max_idle;	      /* kept connections per worker and endpoint */
	uint32_t max_connections;     /* per worker and endpoint */
	uint32_t retry_budget_percent;
	uint8_t proxy_protocol; /* the version that endpoints are sent; 0: none */
};
