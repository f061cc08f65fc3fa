/* SPDX-License-Identifier: BSD-2-Clause */
/* Text and socket forms of struct addr and struct prefix (abi/addr.h). */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "sluice/abi/addr.h"

#define ADDR_TEXT_MAX	64 /* "[ipv6%...]:port" and prefixes fit */
#define PREFIX_ANY_BITS 0

/* "192.0.2.1" or "2001:db8::1"; brackets refused. Returns 0 or -EINVAL; *ret untouched then. */
int addr_parse(const char *text, struct addr *ret);

/* "192.0.2.0/24", "2001:db8::/32" or a lone address. -EINVAL; -ERANGE when host bits are set. */
int prefix_parse(const char *text, struct prefix *ret);

/* "192.0.2.1:80", "[2001:db8::1]:80"; port 1..65535. Returns 0 or -EINVAL. */
int addr_parse_port(const char *text, struct addr *ret, uint16_t *ret_port);

/* Write the usual text (RFC 5952; mapped addresses as IPv4); returns buf. */
const char *addr_format(const struct addr *a, char buf[ADDR_TEXT_MAX]);
const char *addr_format_port(const struct addr *a, uint16_t port, char buf[ADDR_TEXT_MAX]);
const char *prefix_format(const struct prefix *p, char buf[ADDR_TEXT_MAX]);

bool addr_is_v4(const struct addr *a);
bool addr_eq(const struct addr *a, const struct addr *b);
/* Clear all bits beyond len_bits (0..128). */
struct addr addr_mask(const struct addr *a, uint32_t len_bits);
/* The unit that limits and verdicts count by: /32 (128 mapped bits) or /64. */
struct addr addr_unit(const struct addr *a);
bool prefix_contains(const struct prefix *p, const struct addr *a);

/* IPv4 sockaddrs become mapped; *ret_port (may be NULL) in host order. -EAFNOSUPPORT otherwise. */
int addr_from_sockaddr(const struct sockaddr *sa, struct addr *ret, uint16_t *ret_port);
/* Returns the length written; IPv4 when mapped. */
socklen_t addr_to_sockaddr(const struct addr *a, uint16_t port, struct sockaddr_storage *ret);
