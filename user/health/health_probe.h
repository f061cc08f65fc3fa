/* SPDX-License-Identifier: BSD-2-Clause */
/* One probe of one backend: from the first packet to the word about it, within its timeout. */
#pragma once

#include <stdint.h>

#include "../event/loop.h"
#include "../net/sock.h"
#include "../tls/tls.h"
#include "health_dns.h"
#include "health_http.h"
#include "sluice/abi/addr.h"

enum health_result {
	HEALTH_PASS,
	HEALTH_REFUSED, /* nobody there: reset, unreachable */
	HEALTH_TIMEOUT,
	HEALTH_TLS, /* no handshake, or not its certificate */
	HEALTH_ANSWER,
	HEALTH_FAILED, /* for want of something of ours: descriptors, memory */
	HEALTH_RESULTS,
};

/* What a vip's probes have in common. */
struct health_check {
	enum conf_health_type type;
	uint64_t timeout_ms;
	char *host; /* NULL: the backend's address */
	char *path;
	struct health_http_rules http;
	struct tls_client *tls; /* of https; counted */
	uint8_t send[CONF_HEALTH_BYTES_MAX];
	size_t send_len;
	uint8_t expect[CONF_HEALTH_BYTES_MAX];
	size_t expect_len;
	char *query;
	uint16_t record;
	uint8_t rcode;
};

/* Of a vip with health checks. Negative errno; *ret is then as it was. tls is its own reference. */
int health_check_init(const struct conf_health *conf, struct tls_client *tls,
		      struct health_check *ret);
void health_check_clear(struct health_check *c);
/* Do both ask the same of a backend? Certificates aside. */
bool health_check_same(const struct health_check *a, const struct health_check *b);

struct health_probe;

/* why: of what did not pass. The probe is gone; another may be started from here. */
typedef void health_probe_done(void *ctx, enum health_result result, const char *why,
			       uint64_t latency_us);

/* Where to, if not to the backend's own address. */
struct health_way {
	struct addr addr;
	struct sock_way by;
};

/*
 * Begin; way is copied, NULL: to the backend's address. check stays until done is called, which is once and never from in here. Negative errno when
 * nothing was begun.
 */
int health_probe_start(struct loop *l, const struct health_check *check, const struct addr *addr,
		       uint16_t port, const struct health_way *way, health_probe_done *done,
		       void *ctx, struct health_probe **ret);
/* Give up: done is not called. */
void health_probe_cancel(struct health_probe *p);
