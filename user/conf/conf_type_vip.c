/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a vip is: an address or a prefix; a port, a range or all ports. */
#include <errno.h>
#include <netinet/in.h>

#include "../base/addr.h"
#include "conf_text.h"
#include "conf_type.h"

static int place_parse(const struct conf_row *row, struct str text, void *field, void *aux,
		       struct conf_arena *arena, struct errmsg *why)
{
	struct prefix prefix;
	int err = conf_type_prefix.parse(row, text, &prefix, NULL, arena, why);

	if (err)
		return err;
	*(struct addr *)field = prefix.addr;
	*(uint8_t *)aux = prefix.len_bits == 128 ? 0 : (uint8_t)(1 + prefix.len_bits);
	return 0;
}

static int place_format(const struct conf_row *row, const void *field, const void *aux,
			struct buf *out)
{
	const uint8_t bits = *(const uint8_t *)aux;
	const struct prefix prefix = { bits ? bits - 1U : 128, *(const struct addr *)field };
	char text[ADDR_TEXT_MAX];

	(void)row;
	return buf_add_str(
		out, str_of(bits ? prefix_format(&prefix, text) : addr_format(&prefix.addr, text)));
}

const struct conf_type conf_type_place = {
	.name = "address or prefix",
	.expect = "an address or a prefix; write e.g. 192.0.2.1 or 2001:db8::/64",
	.pattern = "^[0-9A-Fa-f:.]+(/[0-9]+)?$",
	.parse = place_parse,
	.format = place_format,
};

static int place_ports_parse(const struct conf_row *row, struct str text, void *field, void *aux,
			     struct conf_arena *arena, struct errmsg *why)
{
	struct conf_ports ports = { 0, UINT16_MAX };
	int err = 0;

	if (!str_eq(text, STR_LIT("any")))
		err = conf_type_ports.parse(row, text, &ports, NULL, arena, why);
	if (err)
		return err;
	*(uint16_t *)field = ports.first;
	*(uint16_t *)aux = ports.first == ports.last ? 0 : ports.last;
	return 0;
}

static int place_ports_format(const struct conf_row *row, const void *field, const void *aux,
			      struct buf *out)
{
	const uint16_t first = *(const uint16_t *)field, last = *(const uint16_t *)aux;
	const struct conf_ports ports = { first, last ? last : first };

	if (!first && last)
		return buf_add_str(out, STR_LIT("any"));
	return conf_type_ports.format(row, &ports, NULL, out);
}

const struct conf_type conf_type_place_ports = {
	.name = "ports",
	.expect = "a port, a range of ports or any; write e.g. 53 or 8000-8099",
	.pattern = "^([0-9]+(-[0-9]+)?|any)$",
	.raw = true,
	.parse = place_ports_parse,
	.format = place_ports_format,
};
