/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of connection ids that name backends, and the one kind of value that only they have. */
#include <errno.h>
#include <string.h>

#include "conf_node.h"
#include "conf_rows.h"
#include "conf_text.h"
#include "conf_type.h"
#include "sluice/abi/quic.h"

static const struct conf_row quic_rows[] = {
	{ .name = "config_id",
	  CONF_AT(struct conf_quic, config_id),
	  .type = &conf_type_number,
	  .flags = CONF_REQUIRED,
	  .max = QUIC_CONFIGS - 2,
	  .help = "Config rotation: the top three bits of connection ids of this kind." },
	{ .name = "server_id_bytes",
	  CONF_AT(struct conf_quic, server_id_bytes),
	  .type = &conf_type_number,
	  .flags = CONF_REQUIRED,
	  .min = 1,
	  .max = QUIC_SERVER_ID_MAX,
	  .help = "Length of the server id, which follows the first octet." },
	{ .name = "nonce_bytes",
	  CONF_AT(struct conf_quic, nonce_bytes),
	  .type = &conf_type_number,
	  .flags = CONF_REQUIRED,
	  .min = QUIC_NONCE_MIN,
	  .max = QUIC_NONCE_MAX,
	  .help = "Length of what the backend puts behind it. Both together are 19 at most." },
	{ .name = "key",
	  CONF_AT(struct conf_quic, key),
	  .type = &conf_type_path,
	  .help = "PEM file (QUIC-LB KEY) of the 16 bytes of key that backends encrypt connection ids with; "
		  "docs/feature/quic.md says how. Linux 6.10 and newer.",
	  .def_help = "in plain text" },
};

static void quic_derive(void *item, const struct conf_node *node)
{
	struct conf_quic *quic = item;

	quic->key_place = conf_node_place(node, "key");
}

const struct conf_table conf_table_quic =
	CONF_TABLE("quic", quic_rows, struct conf_quic, .derive = quic_derive);

/* id = id * base + digit, over all of its bytes; false: it does not fit. */
static bool shift_in(uint8_t id[QUIC_SERVER_ID_MAX], uint32_t base, uint32_t digit)
{
	for (size_t i = QUIC_SERVER_ID_MAX; i-- > 0;) {
		digit += id[i] * base;
		id[i] = (uint8_t)digit;
		digit >>= 8;
	}
	return digit == 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int server_id_parse(const struct conf_row *row, struct str text, void *field, void *aux,
			   struct conf_arena *arena, struct errmsg *why)
{
	bool hex = text.len > 2 && text.ptr[0] == '0' && text.ptr[1] == 'x';
	uint8_t id[QUIC_SERVER_ID_MAX] = { 0 };

	(void)row, (void)arena;
	if (text.len == 0)
		return -EINVAL;
	for (size_t i = hex ? 2 : 0; i < text.len; i++) {
		int digit = hex_digit(text.ptr[i]);

		if (digit < 0 || (digit > 9 && !hex))
			return -EINVAL;
		if (!shift_in(id, hex ? 16 : 10, (uint32_t)digit))
			return errmsg_set(why, -ERANGE, "has more than %d bytes",
					  QUIC_SERVER_ID_MAX);
	}
	memcpy(field, id, sizeof(id));
	*(bool *)aux = true;
	return 0;
}

static int server_id_format(const struct conf_row *row, const void *field, const void *aux,
			    struct buf *out)
{
	const uint8_t *id = field;
	size_t i = 0;
	int err;

	(void)row;
	if (!*(const bool *)aux)
		return 0;
	while (i + 1 < QUIC_SERVER_ID_MAX && !id[i])
		i++;
	for (err = buf_printf(out, "0x"); !err && i < QUIC_SERVER_ID_MAX; i++)
		err = buf_printf(out, "%02x", id[i]);
	return err;
}

/* Big-endian, at the end of its bytes: a number, whatever length it is written with. */
const struct conf_type conf_type_server_id = {
	.name = "server id",
	.expect = "a number; write e.g. 17 or 0x0a11",
	.pattern = "^([0-9]+|0x[0-9A-Fa-f]+)$",
	.parse = server_id_parse,
	.format = server_id_format,
};
