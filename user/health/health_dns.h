/* SPDX-License-Identifier: BSD-2-Clause */
/* One DNS question and the header of its answer (RFC 1035 s4.1). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/errmsg.h"

#define HEALTH_DNS_MAX_BYTES (12 + 255 + 4) /* header, name, type and class */

/* The query into ret. Returns its bytes, or -EINVAL: no name (labels of 1..63 bytes, 253 in all). */
int health_dns_encode(uint16_t id, const char *name, uint16_t record,
		      uint8_t ret[HEALTH_DNS_MAX_BYTES]);
/*
 * An answer to that query: 1; -EPROTO and *why: it is one with another code; 0: it is none, somebody
 * else's or to another question, and whoever waits goes on waiting.
 */
int health_dns_check(const uint8_t *query, size_t query_len, const uint8_t *data, size_t len,
		     uint8_t rcode, struct errmsg *why);
