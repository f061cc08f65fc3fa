/* SPDX-License-Identifier: BSD-2-Clause */
/* An answer to the probe's request, as bytes that may arrive in any pieces. Bounded, without I/O. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../base/buf.h"
#include "../base/errmsg.h"
#include "../conf/conf_settings_health.h"
#include "../http/h1/parse.h"

#define HEALTH_HTTP_HEAD_BYTES (16U << 10)
#define HEALTH_HTTP_BODY_BYTES (16U << 10) /* of the body are looked at */
#define HEALTH_HTTP_INTERIM    4	   /* 1xx answers before the one that counts */

struct health_http_rules {
	struct conf_status_range status[CONF_HEALTH_STATUSES_MAX];
	size_t n_status;
	uint8_t match[CONF_HEALTH_BYTES_MAX];
	size_t match_len; /* 0: any body */
};

struct health_http {
	const struct health_http_rules *rules;
	size_t scanned;
	uint32_t interim;
	bool in_body;
	struct h1_body body;
	struct buf seen; /* of the body, where something has to match */
};

void health_http_init(struct health_http *h, const struct health_http_rules *rules);
void health_http_clear(struct health_http *h);
/*
 * Take bytes: *used of them are done with, call again with the rest and what follows.
 * 1: it passes; 0: more is needed; -EPROTO: it does not, and *why says why.
 */
int health_http_feed(struct health_http *h, const char *data, size_t len, size_t *used,
		     struct errmsg *why);
/* The stream ended; the same results, but 0. */
int health_http_end(struct health_http *h, struct errmsg *why);
