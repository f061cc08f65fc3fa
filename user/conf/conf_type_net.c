/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses: text to field and back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/addr.h"
#include "conf_text.h"
#include "conf_type.h"

static int address_parse(const struct conf_row *row, struct str text, void *field, void *aux,
			 struct conf_arena *arena, struct errmsg *why)
{
	(void)row, (void)aux, (void)arena, (void)why;
	return addr_parse(text.ptr, field);
}

static int address_format(const struct conf_row *row, const void *field, const void *aux,
			  struct buf *out)
{
	char text[ADDR_TEXT_MAX];

	(void)row, (void)aux;
	return buf_add_str(out, str_of(addr_format(field, text)));
}

const struct conf_type conf_type_address = {
	.name = "address",
	.expect = "an address; write e.g. 192.0.2.1 or 2001:db8::1",
	.pattern = "^[0-9A-Fa-f:.]+$",
	.parse = address_parse,
	.format = address_format,
};

static int address_opt_parse(const struct conf_row *row, struct str text, void *field, void *aux,
			     struct conf_arena *arena, struct errmsg *why)
{
	int err = address_parse(row, text, field, NULL, arena, why);

	if (!err)
		*(bool *)aux = true;
	return err;
}

static int address_opt_format(const struct conf_row *row, const void *field, const void *aux,
			      struct buf *out)
{
	return *(const bool *)aux ? address_format(row, field, NULL, out) : 0;
}

/* One that may be left out: aux says whether it was given. */
const struct conf_type conf_type_address_opt = {
	.name = "address",
	.expect = "an address; write e.g. 192.0.2.1 or 2001:db8::1",
	.pattern = "^[0-9A-Fa-f:.]+$",
	.parse = address_opt_parse,
	.format = address_opt_format,
};

static int address_port_parse(const struct conf_row *row, struct str text, void *field, void *aux,
			      struct conf_arena *arena, struct errmsg *why)
{
	(void)row, (void)arena, (void)why;
	return addr_parse_port(text.ptr, field, aux);
}

static int address_port_format(const struct conf_row *row, const void *field, const void *aux,
			       struct buf *out)
{
	char text[ADDR_TEXT_MAX];

	(void)row;
	addr_format_port(field, *(const uint16_t *)aux, text);
	return buf_add_str(out, str_of(text));
}

const struct conf_type conf_type_address_port = {
	.name = "address and port",
	.expect = "an address and port; write e.g. 127.0.0.1:80 or [2001:db8::1]:80",
	.pattern = "^([0-9.]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]+$",
	.parse = address_port_parse,
	.format = address_port_format,
};

/* Say which prefix the text with host bits belongs to. */
static int host_bits(const char *text, struct errmsg *why)
{
	const char *slash = strchr(text, '/');
	char written[ADDR_TEXT_MAX], meant[ADDR_TEXT_MAX];
	size_t len = slash ? (size_t)(slash - text) : 0;
	struct prefix prefix;

	if (!slash || len >= sizeof(written))
		return -EINVAL;
	memcpy(written, text, len);
	written[len] = '\0';
	if (addr_parse(written, &prefix.addr))
		return -EINVAL;
	prefix.len_bits = (uint32_t)strtoul(slash + 1, NULL, 10);
	if (!strchr(written, ':'))
		prefix.len_bits += ADDR_V4_BITS;
	prefix.addr = addr_mask(&prefix.addr, prefix.len_bits);
	return errmsg_set(why, -EINVAL, "has bits set behind the prefix; write %s",
			  prefix_format(&prefix, meant));
}

static int prefix_type_parse(const struct conf_row *row, struct str text, void *field, void *aux,
			     struct conf_arena *arena, struct errmsg *why)
{
	int err = prefix_parse(text.ptr, field);

	(void)row, (void)aux, (void)arena;
	return err == -ERANGE ? host_bits(text.ptr, why) : err;
}

static int prefix_type_format(const struct conf_row *row, const void *field, const void *aux,
			      struct buf *out)
{
	char text[ADDR_TEXT_MAX];

	(void)row, (void)aux;
	return buf_add_str(out, str_of(prefix_format(field, text)));
}

const struct conf_type conf_type_prefix = {
	.name = "prefix",
	.expect = "a prefix; write e.g. 192.0.2.0/24 or 2001:db8::/32",
	.pattern = "^[0-9A-Fa-f:.]+(/[0-9]+)?$",
	.parse = prefix_type_parse,
	.format = prefix_type_format,
};

static int mac_parse(const struct conf_row *row, struct str text, void *field, void *aux,
		     struct conf_arena *arena, struct errmsg *why)
{
	uint8_t mac[6], any = 0;

	(void)row, (void)arena;
	if (text.len != 17)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(mac); i++) {
		char pair[3] = { text.ptr[3 * i], text.ptr[3 * i + 1], '\0' }, *end;

		mac[i] = (uint8_t)strtoul(pair, &end, 16);
		/* strtoul would take a sign or a space for the first digit */
		if (*end || pair[0] < '0' || (i < 5 && text.ptr[3 * i + 2] != ':'))
			return -EINVAL;
		any |= mac[i];
	}
	if (!any || (mac[0] & 1))
		return errmsg_set(why, -EINVAL, "is not the MAC address of one host");
	memcpy(field, mac, sizeof(mac));
	*(bool *)aux = true;
	return 0;
}

static int mac_format(const struct conf_row *row, const void *field, const void *aux,
		      struct buf *out)
{
	const uint8_t *m = field;

	(void)row;
	if (!*(const bool *)aux)
		return 0;
	return buf_printf(out, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

const struct conf_type conf_type_mac = {
	.name = "MAC address",
	.expect = "a MAC address; write e.g. 02:00:5e:10:00:01",
	.pattern = "^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$",
	.parse = mac_parse,
	.format = mac_format,
};

static int ports_parse(const struct conf_row *row, struct str text, void *field, void *aux,
		       struct conf_arena *arena, struct errmsg *why)
{
	const char *dash = memchr(text.ptr, '-', text.len);
	size_t len = dash ? (size_t)(dash - text.ptr) : text.len;
	struct str low = { text.ptr, len };
	struct str high = dash ? (struct str) { dash + 1, text.len - len - 1 } : low;
	uint64_t first, last;

	(void)row, (void)aux, (void)arena;
	if (conf_text_u64(low, &first) || conf_text_u64(high, &last))
		return -EINVAL;
	if (!first || first > UINT16_MAX || !last || last > UINT16_MAX)
		return errmsg_set(why, -ERANGE, "is out of range; ports are from 1 to 65535");
	if (last < first)
		return errmsg_set(why, -EINVAL,
				  "ends before it begins; write the lower port first");
	*(struct conf_ports *)field = (struct conf_ports) { (uint16_t)first, (uint16_t)last };
	return 0;
}

static int ports_format(const struct conf_row *row, const void *field, const void *aux,
			struct buf *out)
{
	const struct conf_ports *ports = field;

	(void)row, (void)aux;
	if (ports->first == ports->last)
		return buf_printf(out, "%u", ports->first);
	return buf_printf(out, "%u-%u", ports->first, ports->last);
}

const struct conf_type conf_type_ports = {
	.name = "ports",
	.expect = "a port or a range of ports; write e.g. 53 or 8000-8099",
	.pattern = "^[0-9]+(-[0-9]+)?$",
	.parse = ports_parse,
	.format = ports_format,
};
