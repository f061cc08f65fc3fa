/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of what the kernel does: dataplane, acl, limits, vips. */
#include <netinet/in.h>

#include "conf_node.h"
#include "conf_rate.h"
#include "conf_rows.h"
#include "sluice/abi/response.h"
#include "sluice/abi/vip.h"

static const struct conf_word hook_words[] = { { "xdp", CONF_HOOK_XDP },
					       { "tc", CONF_HOOK_TC },
					       { NULL, 0 } };
static const struct conf_word xdp_mode_words[] = { { "auto", CONF_XDP_AUTO },
						   { "native", CONF_XDP_NATIVE },
						   { "generic", CONF_XDP_GENERIC },
						   { NULL, 0 } };
static const struct conf_word attach_words[] = { { "auto", CONF_ATTACH_AUTO },
						 { "link", CONF_ATTACH_LINK },
						 { "libxdp", CONF_ATTACH_LIBXDP },
						 { NULL, 0 } };
static const struct conf_word unknown_l4_words[] = { { "pass", CONF_L4_PASS },
						     { "drop", CONF_L4_DROP },
						     { NULL, 0 } };
static const struct conf_word protocol_words[] = { { "tcp", IPPROTO_TCP },
						   { "udp", IPPROTO_UDP },
						   { NULL, 0 } };

static const struct conf_word mode_words[] = { { "l2", BACKEND_L2 },
					       { "ipip", BACKEND_IPIP },
					       { "gue", BACKEND_GUE },
					       { NULL, 0 } };

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

/* UDP services that answer with more than they are asked; docs/feature/limit.md names each. */
#define AMPLIFICATION_PORTS                                                                       \
	"[17, 19, 53, 69, 111, 123, 137, 161, 389, 427, 520, 623, 1434, 1900, 3283, 3702, 5093, " \
	"5353, 5683, 10001, 11211, 27015, 27960, 37810]"

static const struct conf_row device_rows[] = {
	{ .name = "name",
	  CONF_AT(struct conf_device, name),
	  .type = &conf_type_ifname,
	  .flags = CONF_REQUIRED,
	  .help = "Network device; it may appear later." },
	{ .name = "hook",
	  CONF_AT(struct conf_device, hook),
	  .type = &conf_type_word,
	  .words = hook_words,
	  .def = "xdp",
	  .help = "Where the programs run: in XDP, or in TC." },
	{ .name = "mode",
	  CONF_AT(struct conf_device, mode),
	  .type = &conf_type_word,
	  .words = xdp_mode_words,
	  .def = "auto",
	  .help = "XDP in the driver (native) or behind it (generic); auto takes native where the "
		  "driver has it." },
	{ .name = "attach",
	  CONF_AT(struct conf_device, attach),
	  .type = &conf_type_word,
	  .words = attach_words,
	  .def = "auto",
	  .help = "By a link of our own, or through libxdp beside other programs; auto takes "
		  "libxdp where another program is attached already." },
};

static const struct conf_table conf_table_device =
	CONF_TABLE("device", device_rows, struct conf_device, .shorthand = "name");

#define DATAPLANE(field) CONF_AT(struct conf_dataplane, field)

static const struct conf_row dataplane_rows[] = {
	{ .name = "enabled",
	  DATAPLANE(enabled),
	  .type = &conf_type_bool,
	  .def_help = "true where devices are given",
	  .help = "Run the kernel half; without it, acl, limits, vips and pushdown do nothing." },
	{ .name = "devices",
	  CONF_SUBS_AT(struct conf_dataplane, devices, n_devices, &conf_table_device),
	  .max_items = 64,
	  .help = "Devices whose traffic is looked at. A lone word is a name." },
	{ .name = "max_clients",
	  DATAPLANE(max_clients),
	  .type = &conf_type_number,
	  .def = "262144",
	  .min = 1024,
	  .max = 1U << 24,
	  .help = "Exact buckets of sources that were proven real, one for each of the limits that "
		  "they meet, 136 bytes each; the longest unused goes." },
	{ .name = "limit_rows",
	  DATAPLANE(limit_rows),
	  .type = &conf_type_number,
	  .def = "262144",
	  .min = 1024,
	  .max = 1U << 24,
	  .help = "Cells of the rows of all limits together, 32 bytes each: the buckets of sources "
		  "that nobody has proven." },
	{ .name = "limit_key_lifetime",
	  DATAPLANE(limit_key_lifetime_ms),
	  .type = &conf_type_duration,
	  .tier = CONF_TIER_DATA,
	  .def = "24h",
	  .max = 366ULL * 86400 * 1000,
	  .help = "How long the secret key that spreads sources over the rows is in force, 1m or "
		  "more; 0s: until sluicectl limit rotate." },
	{ .name = "max_acl",
	  DATAPLANE(max_acl),
	  .type = &conf_type_number,
	  .def = "131072",
	  .min = 1,
	  .max = 1U << 22,
	  .help = "Prefixes in each of acl.allow and acl.deny." },
	{ .name = "max_verdicts",
	  DATAPLANE(max_verdicts),
	  .type = &conf_type_number,
	  .def = "65536",
	  .min = 1,
	  .max = 1U << 22,
	  .help = "Verdicts in force at once; a full table refuses new ones." },
	{ .name = "max_vips",
	  DATAPLANE(max_vips),
	  .type = &conf_type_number,
	  .def = "64",
	  .min = 2,
	  .max = 65536,
	  .help = "One more than the most vips. Each takes 8 bytes per ring slot." },
	{ .name = "max_backends",
	  DATAPLANE(max_backends),
	  .type = &conf_type_number,
	  .def = "1024",
	  .min = 2,
	  .max = 65536,
	  .help = "One more than the most backends of all vips together." },
	{ .name = "max_meters",
	  DATAPLANE(max_meters),
	  .type = &conf_type_number,
	  .def = "65536",
	  .min = 2,
	  .max = 1U << 22,
	  .help = "One more than the most limits of all consumers together." },
	{ .name = "max_responses",
	  DATAPLANE(max_responses),
	  .type = &conf_type_number,
	  .def = "262144",
	  .min = 1024,
	  .max = 1U << 24,
	  .help = "Clients of all of `responses` that have credit at a time, 8 bytes each, rounded "
		  "down to a power of two; who asked longest ago is forgotten." },
	{ .name = "ring_size",
	  DATAPLANE(ring_size),
	  .type = &conf_type_number,
	  .def = "65537",
	  .min = 3,
	  .max = 65537,
	  .help = "Slots of a vip's ring, a prime: at least 100 times its backends spreads evenly "
		  "to 1 %." },
	{ .name = "unknown_l4",
	  DATAPLANE(unknown_l4),
	  .type = &conf_type_word,
	  .words = unknown_l4_words,
	  .def = "pass",
	  .help = "What becomes of transport protocols that are not parsed, once acl, verdicts and "
		  "limits let them through." },
	{ .name = "events_per_s",
	  DATAPLANE(events_per_s),
	  .type = &conf_type_number,
	  .def = "100",
	  .max = 100000,
	  .help = "Drops that are reported as events, a second and drop reason, over all CPUs; the "
		  "rest is counted." },
	{ .name = "amplification_ports",
	  CONF_LIST_AT(struct conf_dataplane, amplification_ports, n_amplification_ports),
	  .type = &conf_type_number,
	  .tier = CONF_TIER_DATA,
	  .def = AMPLIFICATION_PORTS,
	  .min = 1,
	  .max_items = 1024,
	  .help = "UDP ports that reflectors answer from: what limits of kind amplification "
		  "count." },
};

static void dataplane_derive(void *item, const struct conf_node *node)
{
	struct conf_dataplane *dataplane = item;
	const struct conf_node *enabled = conf_node_get(node, "enabled");

	if (!enabled || conf_node_is_null(enabled))
		dataplane->enabled = dataplane->n_devices > 0;
}

const struct conf_table conf_table_dataplane =
	CONF_TABLE("dataplane", dataplane_rows, struct conf_dataplane, .derive = dataplane_derive);

static const struct conf_word feed_words[] = { { "auto", ACL_FEED_AUTO },
					       { "lines", ACL_FEED_LINES },
					       { "nft", ACL_FEED_NFT },
					       { "csv", ACL_FEED_CSV },
					       { NULL, 0 } };

static const struct conf_row acl_file_rows[] = {
	{ .name = "path",
	  CONF_AT(struct conf_acl_file, path),
	  .type = &conf_type_path,
	  .flags = CONF_REQUIRED,
	  .help = "A file that agent.user can read, owned by it or by root and writable by nobody "
		  "else." },
	{ .name = "format",
	  CONF_AT(struct conf_acl_file, format),
	  .type = &conf_type_word,
	  .words = feed_words,
	  .def = "auto",
	  .help = "One prefix, address or range a-b per line; the elements of an nftables set, as "
		  "`nft list set` prints them; or a column of CSV." },
	{ .name = "column",
	  CONF_AT(struct conf_acl_file, column),
	  .type = &conf_type_string,
	  .max = 63,
	  .def_help = "the first",
	  .help = "Column of CSV: its number, or its name in the first line." },
};

static void acl_file_derive(void *item, const struct conf_node *node)
{
	struct conf_acl_file *file = item;

	if (node)
		file->place = (struct conf_place) { node->line, node->column };
}

static const struct conf_table conf_table_acl_file =
	CONF_TABLE("file of prefixes", acl_file_rows, struct conf_acl_file, .shorthand = "path",
		   .derive = acl_file_derive);

static const struct conf_row acl_rows[] = {
	{ .name = "allow",
	  CONF_LIST_AT(struct conf_acl, allow, n_allow),
	  .type = &conf_type_prefix,
	  .max_items = 1U << 22,
	  .help = "Exempt from deny, verdicts and limits. Name the network you manage the host "
		  "from. IPv6 prefixes of at most /64, as in deny and in limits: the kernel knows an "
		  "IPv6 source by its /64." },
	{ .name = "deny",
	  CONF_LIST_AT(struct conf_acl, deny, n_deny),
	  .type = &conf_type_prefix,
	  .max_items = 1U << 22,
	  .help = "Dropped, every packet." },
	{ .name = "deny_files",
	  CONF_SUBS_AT(struct conf_acl, deny_files, n_deny_files, &conf_table_acl_file),
	  .max_items = 64,
	  .help = "Dropped too: lists in files of their own, read at start, reload and import. One "
		  "with a line that is wrong counts for nothing. A lone word is a path." },
	{ .name = "deny_countries",
	  CONF_LIST_AT(struct conf_acl, deny_countries, n_deny_countries),
	  .type = &conf_type_country,
	  .max_items = 256,
	  .help = "Dropped too: sources in these countries, by geoip.country." },
	{ .name = "deny_asns",
	  CONF_LIST_AT(struct conf_acl, deny_asns, n_deny_asns),
	  .type = &conf_type_number,
	  .min = 1,
	  .max_items = 4096,
	  .help = "Dropped too: sources in these autonomous systems, by geoip.asn." },
};

const struct conf_table conf_table_acl = CONF_TABLE("acl", acl_rows, struct conf_acl, );

static const struct conf_row geoip_rows[] = {
	{ .name = "country",
	  CONF_AT(struct conf_geoip, country),
	  .type = &conf_type_path,
	  .help = "Database of countries in MaxMind's format (GeoLite2-Country.mmdb)." },
	{ .name = "asn",
	  CONF_AT(struct conf_geoip, asn),
	  .type = &conf_type_path,
	  .help = "Database of autonomous systems (GeoLite2-ASN.mmdb)." },
};

const struct conf_table conf_table_geoip = CONF_TABLE("geoip", geoip_rows, struct conf_geoip, );

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

static const struct conf_row response_rows[] = {
	{ .name = "name",
	  CONF_AT(struct conf_response, name),
	  .type = &conf_type_name,
	  .flags = CONF_REQUIRED,
	  .help = "Unique among responses." },
	{ .name = "address",
	  CONF_AT(struct conf_response, address),
	  .type = &conf_type_address,
	  .flags = CONF_REQUIRED,
	  .help = "Address of this host that the service answers from." },
	{ .name = "port",
	  CONF_AT(struct conf_response, port),
	  .type = &conf_type_number,
	  .flags = CONF_REQUIRED,
	  .min = 1,
	  .help = "UDP port that it answers from." },
	{ .name = "factor",
	  CONF_AT(struct conf_response, factor),
	  .type = &conf_type_number,
	  .flags = CONF_REQUIRED,
	  .min = 1,
	  .max = RESPONSE_FACTOR_MAX,
	  .help = "Bytes on the wire that it may send to a client for each byte that came from "
		  "the client's address; what is more is dropped." },
	{ .name = "dry_run",
	  CONF_AT(struct conf_response, dry_run),
	  .type = &conf_type_bool,
	  .def = "false",
	  .help = "Count what would be dropped, and drop nothing." },
};

const struct conf_table conf_table_response =
	CONF_TABLE("response", response_rows, struct conf_response, );

static const struct conf_row backend_rows[] = {
	{ .name = "name",
	  CONF_AT(struct conf_backend, name),
	  .type = &conf_type_name,
	  .flags = CONF_REQUIRED,
	  .help = "Unique within the vip." },
	{ .name = "address",
	  CONF_AT(struct conf_backend, address),
	  .type = &conf_type_address,
	  .flags = CONF_REQUIRED,
	  .help = "Its own address. In mode l2 of the vip's family and on a link that the host is "
		  "on; else any that is routed to, IPv4 for vips of IPv4 only." },
	{ .name = "weight",
	  CONF_AT(struct conf_backend, weight),
	  .type = &conf_type_number,
	  .def = "1",
	  .max = 1000,
	  .help = "Its share of new flows; 0 drains it." },
	{ .name = "mac",
	  CONF_AT2(struct conf_backend, mac, has_mac),
	  .type = &conf_type_mac,
	  .def_help = "resolved",
	  .help = "Its MAC address, where it cannot be resolved." },
	{ .name = "device",
	  CONF_AT(struct conf_backend, device),
	  .type = &conf_type_ifname,
	  .def_help = "by route",
	  .help = "Device that it is reached by." },
};

static const struct conf_table conf_table_backend =
	CONF_TABLE("backend", backend_rows, struct conf_backend, );

static const struct conf_row vip_rows[] = {
	{ .name = "name",
	  CONF_AT(struct conf_vip, name),
	  .type = &conf_type_name,
	  .flags = CONF_REQUIRED,
	  .help = "Unique among vips." },
	{ .name = "address",
	  CONF_AT(struct conf_vip, address),
	  .type = &conf_type_address,
	  .flags = CONF_REQUIRED,
	  .help = "Address that clients talk to." },
	{ .name = "port",
	  CONF_AT(struct conf_vip, port),
	  .type = &conf_type_number,
	  .flags = CONF_REQUIRED,
	  .min = 1,
	  .help = "Port that clients talk to." },
	{ .name = "protocol",
	  CONF_AT(struct conf_vip, protocol),
	  .type = &conf_type_word,
	  .words = protocol_words,
	  .def = "tcp",
	  .help = "Transport protocol." },
	{ .name = "mode",
	  CONF_AT(struct conf_vip, mode),
	  .type = &conf_type_word,
	  .words = mode_words,
	  .def = "l2",
	  .help = "How packets get to backends: as they are, by hardware address (l2); in an IP "
		  "header of their own (ipip); or in UDP, by Generic UDP Encapsulation (gue)." },
	{ .name = "source",
	  CONF_AT2(struct conf_vip, source, has_source),
	  .type = &conf_type_address_opt,
	  .def_help = "as this host sends to the backend",
	  .help = "Source address of ipip and gue, to backends of its family." },
	{ .name = "gue_port",
	  CONF_AT(struct conf_vip, gue_port),
	  .type = &conf_type_number,
	  .def = "6080",
	  .min = 1,
	  .help = "UDP port of gue that backends receive at." },
	{ .name = "limit",
	  CONF_AT(struct conf_vip, limit),
	  .type = &conf_type_name,
	  .ref = "limits",
	  .help = "Limit of each source at this vip." },
	{ .name = "guard",
	  CONF_AT(struct conf_vip, guard),
	  .type = &conf_type_word,
	  .words = conf_guard_words,
	  .def = "inherit",
	  .help = "As guard.mode, of this vip; of TCP only." },
	{ .name = "backends",
	  CONF_SUBS_AT(struct conf_vip, backends, n_backends, &conf_table_backend),
	  .max_items = 65535,
	  .help = "Who answers, from the vip's address and directly to the client (direct server "
		  "return). With none, or none of weight, packets are dropped and counted." },
};

const struct conf_table conf_table_vip = CONF_TABLE("vip", vip_rows, struct conf_vip, );
