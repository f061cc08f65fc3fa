/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Maps `acl_allow` and `acl_deny` (LPM tries, key struct prefix). Allow is asked first and wins
 * whatever the lengths, so that an operator cannot lock the management network out.
 *
 * The answer is cached by the client unit, so an IPv6 prefix longer than /64 (CLIENT_UNIT_BITS_V6)
 * would never match: who writes these maps, or limit_prefix, refuses it.
 */
#pragma once

#include "addr.h"

enum acl_origin { ACL_FROM_FILE, ACL_FROM_OPERATOR };

struct acl_value {
	enum acl_origin origin; /* the configuration file, or sluicectl */
};
ABI_SIZE(struct acl_value, 4);
