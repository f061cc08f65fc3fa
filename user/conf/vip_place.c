/* SPDX-License-Identifier: BSD-2-Clause */
#include "vip_place.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "../base/addr.h"

struct prefix vip_place_prefix(const struct conf_vip *v)
{
	return (struct prefix) { v->address_bits ? v->address_bits - 1U : 128, v->address };
}

struct conf_ports vip_place_ports(const struct conf_vip *v)
{
	return (struct conf_ports) { v->port, v->port_last ? v->port_last : v->port };
}

bool vip_place_is_wide(const struct conf_vip *v)
{
	return v->address_bits || v->port_last;
}

struct vip_key vip_place_key(const struct conf_vip *v)
{
	struct vip_key key = { .addr = v->address, .port = htons(v->port), .proto = v->protocol };

	if (vip_place_is_wide(v)) /* a prefix has a bit or more: conf_check_vips.c */
		key.wide = (uint8_t)((vip_place_prefix(v).len_bits - 1) |
				     (v->port_last ? VIP_WIDE_PORTS : 0));
	return key;
}

bool vip_place_covers(const struct conf_vip *v, const struct addr *a, uint16_t port)
{
	const struct conf_ports ports = vip_place_ports(v);
	const struct prefix prefix = vip_place_prefix(v);

	return port >= ports.first && port <= ports.last && prefix_contains(&prefix, a);
}

/* Of two that have a place. Of a fragment's address, the one of the most ports has it. */
static bool is_nearer(const struct conf_vip *a, const struct conf_vip *b, bool is_fragment)
{
	const struct conf_ports x = vip_place_ports(a), y = vip_place_ports(b);
	const int more = (x.last - x.first) - (y.last - y.first);
	const uint32_t m = vip_place_prefix(a).len_bits, n = vip_place_prefix(b).len_bits;

	if (m != n)
		return m > n;
	if (is_fragment)
		return more > 0 || (more == 0 && x.first < y.first);
	return more < 0;
}

const struct conf_vip *vip_place_find(const struct conf *conf, const struct addr *a, uint16_t port,
				      uint8_t protocol)
{
	const struct conf_vip *best = NULL;

	for (size_t i = 0; i < conf->n_vips; i++) {
		const struct conf_vip *v = &conf->vips[i];
		const struct prefix prefix = vip_place_prefix(v);

		if (v->protocol == protocol && prefix_contains(&prefix, a) &&
		    (!port || vip_place_covers(v, a, port)) && (!best || is_nearer(v, best, !port)))
			best = v;
	}
	return best;
}

const char *vip_place_format(const struct conf_vip *v, char text[VIP_PLACE_TEXT_MAX])
{
	const struct prefix prefix = vip_place_prefix(v);
	const struct conf_ports ports = vip_place_ports(v);
	char where[ADDR_TEXT_MAX], what[16];

	if (!vip_place_is_wide(v))
		return addr_format_port(&v->address, v->port, text);
	if (v->address_bits)
		prefix_format(&prefix, where);
	else
		addr_format(&v->address, where);
	if (!ports.first)
		snprintf(what, sizeof(what), "any");
	else if (ports.first == ports.last)
		snprintf(what, sizeof(what), "%u", ports.first);
	else
		snprintf(what, sizeof(what), "%u-%u", ports.first, ports.last);
	snprintf(text, VIP_PLACE_TEXT_MAX, addr_is_v4(&v->address) ? "%s:%s" : "[%s]:%s", where,
		 what);
	return text;
}
