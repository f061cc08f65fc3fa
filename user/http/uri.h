/* SPDX-License-Identifier: BSD-2-Clause */
/* The one normalisation of a path before routing (RFC 3986 s6.2.2). */
#pragma once

#include "../base/str.h"

/*
 * Decode percent-encoded unreserved characters, upper-case the other escapes, remove dot segments,
 * fold runs of '/'. out has at least path.len + 1 bytes.
 * Returns the length, or -EINVAL: not starting with '/', a bad escape, an encoded NUL, '/' or '\',
 * a control character.
 */
int uri_normalize(struct str path, char *out);
