/* SPDX-License-Identifier: BSD-2-Clause */
/* The one normalisation of a path before routing (RFC 3986 s6.2.2), and what an authority may be. */
#pragma once

#include <stdbool.h>

#include "../base/str.h"

#define URI_AUTHORITY_MAX 261 /* a DNS name of 255 bytes and ":65535" */

/*
 * Decode percent-encoded unreserved characters, upper-case the other escapes, remove dot segments,
 * fold runs of '/'. out has at least path.len + 1 bytes and is terminated; doing it twice changes
 * nothing more.
 * Returns the length (at most path.len), or -EINVAL: not starting with '/' ("*" of OPTIONS is no path),
 * a bad escape, an encoded '/' or '\', a '\', a control character or what is not ASCII, encoded or
 * not (other encoded bytes stay encoded). out is then undefined.
 */
int uri_normalize(struct str path, char *out);

/*
 * Is this a host with an optional port: a name of letters, digits, "-", "." and "_", an IPv4
 * address, or an IPv6 address in brackets? Narrower than RFC 3986: no user information, no
 * percent-encoding, no sub-delimiters (a ',' comes from merged Host lines), no zone.
 */
bool uri_authority_valid(struct str text, bool need_port);
