/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The header of the PROXY protocol, versions 1 and 2: what a proxy says before the first byte of a
 * connection about whose it is (haproxy.org/download/2.8/doc/proxy-protocol.txt). Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice/abi/addr.h"

/* Of a header with all of its TLVs; version 2 could say 64 KiB, senders use a few hundred bytes. */
#define PROXY_HEADER_MAX     4096
#define PROXY_HEADER_OUT_MAX 108 /* that we write: a line of version 1 is the longest */

struct proxy_header {
	uint8_t version; /* 1 or 2 */
	/*
	 * false: the connection is the proxy's own (LOCAL, as for its health checks), or of a client
	 * without an address that we know (UNKNOWN, UNSPEC, UNIX): nothing else is set.
	 */
	bool announced;
	struct addr source, destination;
	uint16_t source_port, destination_port;
};

/*
 * Decode the header at the start of data.
 *   ret_why  on -EPROTO and -EMSGSIZE: the reason, a literal
 * Returns its bytes, or
 *   -EAGAIN    all of data may be the beginning of one
 *   -ENOENT    it does not begin as one
 *   -EPROTO    it is malformed, or its checksum is wrong
 *   -EMSGSIZE  it would be longer than PROXY_HEADER_MAX
 */
int proxy_header_decode(const void *data, size_t n, struct proxy_header *ret, const char **ret_why);

/*
 * Encode h in its version; the bytes. Where one address is of IPv6, so are both: an IPv4 one is
 * written mapped.
 */
size_t proxy_header_encode(const struct proxy_header *h, uint8_t ret[PROXY_HEADER_OUT_MAX]);
