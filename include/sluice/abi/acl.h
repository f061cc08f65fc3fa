/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Maps `acl_allow` and `acl_deny` (LPM tries, key struct prefix). Allow is asked first and wins
 * whatever the lengths, so that an operator cannot lock the management network out.
 */
#pragma once

#include "addr.h"

enum acl_origin { ACL_FROM_FILE, ACL_FROM_OPERATOR };

struct acl_value {
	__u32 origin; /* enum acl_origin: the configuration file, or sluicectl */
};
ABI_SIZE(struct acl_value, 4);
