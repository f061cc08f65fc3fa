/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a vip is: of the addresses and ports that it has, which are its own. */
#pragma once

#include "conf.h"
#include "sluice/abi/vip.h"

#define VIP_PLACE_TEXT_MAX 80 /* "203.0.113.0/24:8000-8100", "[2001:db8::/64]:any" */

/* Is it more than one address and port? */
bool vip_place_is_wide(const struct conf_vip *v);
struct prefix vip_place_prefix(const struct conf_vip *v);
/* Of any port: 0 to 65535. */
struct conf_ports vip_place_ports(const struct conf_vip *v);
struct vip_key vip_place_key(const struct conf_vip *v);
/* What more specific ones take of it included. */
bool vip_place_covers(const struct conf_vip *v, const struct addr *a, uint16_t port);
/*
 * Whose a packet to there is, the most specific one's; NULL: nobody's. Port 0: a fragment's. Places of
 * listeners are not looked at.
 */
const struct conf_vip *vip_place_find(const struct conf *conf, const struct addr *a, uint16_t port,
				      uint8_t protocol);
const char *vip_place_format(const struct conf_vip *v, char text[VIP_PLACE_TEXT_MAX]);
