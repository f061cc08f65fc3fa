/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who made a rule of the allow and deny lists. The lists themselves are the agent's; what they say
 * of a source is in the maps of abi/source.h. Allow wins whatever the lengths, so that an operator
 * cannot lock the management network out. IPv6 prefixes have at most CLIENT_UNIT_BITS_V6 bits.
 */
#pragma once

enum acl_origin { ACL_FROM_FILE, ACL_FROM_OPERATOR };
