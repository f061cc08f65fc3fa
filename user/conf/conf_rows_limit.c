/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of the kernel's limits. */
#include <netinet/in.h>

#include "conf_node.h"
#include "conf_rate.h"
#include "conf_rows.h"
#include "sluice/abi/limit_concurrent.h"

static const struct conf_word limit_protocol_words[] = { { "any", 0 },
							 { "tcp", IPPROTO_TCP },
							 { "udp", IPPROTO_UDP },
							 { NULL, 0 } };
static const struct conf_word kind_words[] = { { "any", LIMIT_KIND_NONE },
					       { "fragment", LIMIT_KIND_FRAGMENT },
					       { "amplification", LIMIT_KIND_AMPLIFICATION },
					       { "icmp", LIMIT_KIND_ICMP },
					       { "other_l4", LIMIT_KIND_OTHER_L4 },
					       { NULL, 0 } };
static const struct conf_word per_words[] = { { "source", CONF_PER_SOURCE },
					      { "prefix", CONF_PER_PREFIX },
					      { NULL, 0 } };
static const struct conf_word direction_words[] = { { "ingress", CONF_INGRESS },
						    { "egress", CONF_EGRESS },
						    { NULL, 0 } };

static void rate_derive(void *item, const struct conf_node *node)
{
	(void)node;
	conf_rate_default_burst(item, false);
}

static void byte_rate_derive(void *item, const struct conf_node *node)
{
	(void)node;
	conf_rate_default_burst(item, true);
}

static const struct conf_row rate_rows[] = {
	{ .name = "rate",
	  CONF_AT(struct conf_rate, count),
	  .type = &conf_type_rate,
	  .flags = CONF_REQUIRED,
	  .help = "How many, in the long run." },
	{ .name = "burst",
	  CONF_AT(struct conf_rate, burst),
	  .type = &conf_type_number,
	  .min = 1,
	  .def_help = "one second of the rate, at least 1",
	  .help = "How many at once." },
};

static const struct conf_table conf_table_rate =
	CONF_TABLE("rate", rate_rows, struct conf_rate, .derive = rate_derive);

static const struct conf_row byte_rate_rows[] = {
	{ .name = "rate",
	  CONF_AT(struct conf_rate, count),
	  .type = &conf_type_byte_rate,
	  .flags = CONF_REQUIRED,
	  .help = "How many, in the long run." },
	{ .name = "burst",
	  CONF_AT(struct conf_rate, burst),
	  .type = &conf_type_size,
	  .min = CONF_RATE_FRAME_BYTES,
	  .def_help = "one second of the rate, at least 72KiB",
	  .help = "How many at once: at least one frame." },
};

static const struct conf_table conf_table_byte_rate =
	CONF_TABLE("byte rate", byte_rate_rows, struct conf_rate, .derive = byte_rate_derive);

#define LIMIT_UNIT(unit_id, t) \
	CONF_SUB_AT(struct conf_limit, unit[unit_id], t), .flags = CONF_NULLABLE

#define LIMIT_TOTAL(unit_id, t) \
	CONF_SUB_AT(struct conf_limit, total[unit_id], t), .flags = CONF_NULLABLE

/* Offsets are those of the limit that the map is in. */
static const struct conf_row total_rows[] = {
	{ .name = "packets", LIMIT_TOTAL(LIMIT_PACKETS, &conf_table_rate), .help = "Packets." },
	{ .name = "bytes",
	  LIMIT_TOTAL(LIMIT_BYTES, &conf_table_byte_rate),
	  .help = "Bytes on the wire, from the Ethernet header on." },
	{ .name = "connections",
	  LIMIT_TOTAL(LIMIT_CONNECTIONS, &conf_table_rate),
	  .help = "New TCP connections." },
};

static const struct conf_table conf_table_total =
	CONF_TABLE("total", total_rows, struct conf_limit, );

static const struct conf_row limit_rows[] = {
	/* The kernel finds a class by the 24 bytes of its name (abi/limit.h). */
	{ .name = "name",
	  CONF_AT(struct conf_limit, name),
	  .type = &conf_type_name,
	  .flags = CONF_REQUIRED,
	  .max = 23,
	  .help = "Unique among limits." },
	{ .name = "direction",
	  CONF_AT(struct conf_limit, direction),
	  .type = &conf_type_word,
	  .words = direction_words,
	  .def = "ingress",
	  .help = "What it counts: packets that come from its sources, or (egress) those that this "
		  "host sends to them, by its own ports." },
	{ .name = "sources",
	  CONF_LIST_AT(struct conf_limit, sources, n_sources),
	  .type = &conf_type_prefix,
	  .max_items = 1U << 20,
	  .help = "Sources that it applies to; of the limits of a vip, of a port, of a protocol "
		  "and of everything, the one with the longest prefix wins. Without sources it is "
		  "for everybody at its vips, ports or protocol." },
	{ .name = "countries",
	  CONF_LIST_AT(struct conf_limit, countries, n_countries),
	  .type = &conf_type_country,
	  .max_items = 256,
	  .help = "Sources by the country that geoip.country has them in." },
	{ .name = "asns",
	  CONF_LIST_AT(struct conf_limit, asns, n_asns),
	  .type = &conf_type_number,
	  .min = 1,
	  .max_items = 4096,
	  .help = "Sources by the number of their autonomous system, by geoip.asn." },
	{ .name = "vips",
	  CONF_LIST_AT(struct conf_limit, vips, n_vips),
	  .type = &conf_type_name,
	  .ref = "vips",
	  .max_items = 65535,
	  .help = "Vips that it applies to; the same as naming it in their limit." },
	{ .name = "protocol",
	  CONF_AT(struct conf_limit, protocol),
	  .type = &conf_type_word,
	  .words = limit_protocol_words,
	  .def = "any",
	  .help = "Transport protocol that it applies to." },
	{ .name = "ports",
	  CONF_LIST_AT(struct conf_limit, ports, n_ports),
	  .type = &conf_type_ports,
	  .max_items = 1024,
	  .help = "Ports of that protocol that it applies to: destination ports, or of what goes "
		  "out the source ports." },
	{ .name = "kind",
	  CONF_AT(struct conf_limit, kind),
	  .type = &conf_type_word,
	  .words = kind_words,
	  .def = "any",
	  .help = "Kind of packet that it applies to, from everybody to everywhere and beside all "
		  "other limits: IP fragments, UDP from dataplane.amplification_ports, ICMP and "
		  "ICMPv6, or transport protocols that are not parsed." },
	{ .name = "per",
	  CONF_AT(struct conf_limit, per),
	  .type = &conf_type_word,
	  .words = per_words,
	  .def = "source",
	  .help = "Who has a bucket: each IPv4 address and IPv6 /64, or each /24 and /48." },
	{ .name = "packets", LIMIT_UNIT(LIMIT_PACKETS, &conf_table_rate), .help = "Packets." },
	{ .name = "bytes",
	  LIMIT_UNIT(LIMIT_BYTES, &conf_table_byte_rate),
	  .help = "Bytes on the wire, from the Ethernet header on." },
	{ .name = "connections",
	  LIMIT_UNIT(LIMIT_CONNECTIONS, &conf_table_rate),
	  .help = "New TCP connections." },
	{ .name = "concurrent",
	  CONF_AT(struct conf_limit, concurrent),
	  .type = &conf_type_number,
	  .def = "0",
	  .max = LIMIT_CONCURRENT_COUNT,
	  .help = "TCP connections to listeners of this host, and to vips of mode nat, at a time, "
		  "of each source; 0: any number." },
	{ .name = "total",
	  CONF_SUB_FLAT(&conf_table_total),
	  .flags = CONF_NULLABLE,
	  .help = "Over all of its sources together. Where it is short, the sources that send most "
		  "are refused first." },
	{ .name = "rows",
	  CONF_AT(struct conf_limit, rows),
	  .type = &conf_type_number,
	  .def = "16384",
	  .min = 256,
	  .max = 1U << 20,
	  .help = "Cells in each of its two rows of dataplane.limit_rows, a power of two: about as "
		  "many as there are sources at a time." },
	{ .name = "dry_run",
	  CONF_AT(struct conf_limit, dry_run),
	  .type = &conf_type_bool,
	  .def = "false",
	  .help = "Count what would be dropped, and drop nothing." },
};

static void limit_derive(void *item, const struct conf_node *node)
{
	struct conf_limit *limit = item;

	if (node)
		limit->place = (struct conf_place) { node->line, node->column };
}

const struct conf_table conf_table_limit =
	CONF_TABLE("limit", limit_rows, struct conf_limit, .derive = limit_derive);
