/* SPDX-License-Identifier: BSD-2-Clause */
/* How the backends of a vip are probed, and what follows; in structs, as conf_settings.h. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "conf_place.h"

enum conf_health_type {
	CONF_HEALTH_NONE, /* the vip has no health checks */
	CONF_HEALTH_TCP,
	CONF_HEALTH_HTTP,
	CONF_HEALTH_HTTPS,
	CONF_HEALTH_UDP,
	CONF_HEALTH_DNS,
};

/* How probes go: auto is the vip's way where that is an encapsulation. */
enum conf_via { CONF_VIA_AUTO, CONF_VIA_VIP, CONF_VIA_ADDRESS };

enum conf_all_down { CONF_ALL_DOWN_DROP, CONF_ALL_DOWN_LAST_KNOWN };

/* From first to last, both included. */
struct conf_status_range {
	uint16_t first;
	uint16_t last;
};

struct conf_health {
	uint8_t type;  /* enum conf_health_type */
	uint8_t via;   /* enum conf_via */
	uint16_t port; /* 0: the vip's */
	char *host;    /* Host, SNI and name in the certificate; NULL: the backend's address */
	char *path;    /* NULL: "/" */
	char *status;  /* "200-299,304"; NULL: 200-299 */
	char *match;   /* bytes that the body has to hold; NULL: any body */
	bool verify;   /* the certificate, by ca */
	char *ca;      /* PEM file; NULL: the system's */
	struct conf_place ca_place;
	char *send;	 /* UDP: text, or "hex:…" */
	char *expect;	 /* what the answer has to begin with; NULL: any answer */
	char *query;	 /* DNS: the name asked for */
	uint16_t record; /* DNS: type of the record, by IANA's numbers */
	uint8_t rcode;	 /* DNS: the answer's */
	uint64_t interval_ms;
	uint8_t jitter_percent; /* of the interval, either way */
	uint64_t timeout_ms;
	uint32_t rise; /* passes in a row that bring it up */
	uint32_t fall; /* failures in a row that take it down */
};

#define CONF_HEALTH_BYTES_MAX 512 /* of send, expect and match, once decoded */

/*
 * The bytes of a text, or of "hex:00ff". Returns how many (at most CONF_HEALTH_BYTES_MAX), or
 * -EINVAL: half a byte, or no hex digit; -ERANGE: too many, or none.
 */
int conf_health_bytes(const char *text, uint8_t ret[CONF_HEALTH_BYTES_MAX]);

#define CONF_HEALTH_STATUSES_MAX 16

/* Statuses and ranges of them, with commas between. Returns how many, or -EINVAL, -ERANGE. */
int conf_health_statuses(const char *text, struct conf_status_range ret[CONF_HEALTH_STATUSES_MAX]);
