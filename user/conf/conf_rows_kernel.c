/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of what the kernel does: dataplane, acl, responses; of limits and vips: files of their own. */
#include "conf_node.h"
#include "conf_rows.h"
#include "sluice/abi/response.h"

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
	  .help = "Run the kernel half; without it, acl, limits, vips, steer and pushdown do nothing. "
		  "Only steer does without a device." },
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
	  .max = 1U << 18,
	  .help = "One more than the most backends of all vips together. Each takes some 100 "
		  "bytes in the kernel, and half a KiB in the agent once there is one." },
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
	{ .name = "max_concurrent",
	  DATAPLANE(max_concurrent),
	  .type = &conf_type_number,
	  .def = "65536",
	  .min = 1024,
	  .max = 1U << 22,
	  .help = "Sources whose connections are counted for limits[].concurrent, one for each of "
		  "the limits that they meet, 8 bytes each: give four times as many as there "
		  "are." },
	{ .name = "max_nat_flows",
	  DATAPLANE(max_nat_flows),
	  .type = &conf_type_number,
	  .def = "32768",
	  .min = 64,
	  .max = 1U << 22,
	  .help = "Flows of all vips of mode nat at a time, 400 bytes each; a quarter of them may "
		  "be ones that no client has confirmed yet." },
	{ .name = "cgroup",
	  DATAPLANE(cgroup),
	  .type = &conf_type_path,
	  .tier = CONF_TIER_DATA,
	  .def_help = "the root",
	  .help = "Control group (a directory of cgroup v2) whose sockets limits[].concurrent "
		  "counts, with those of the groups below it." },
	{ .name = "ring_size",
	  DATAPLANE(ring_size),
	  .type = &conf_type_number,
	  .def = "65537",
	  .min = 3,
	  .max = 65537,
	  .help = "Slots of a vip's ring, a prime: at least 100 times its backends spreads evenly "
		  "to 1 %." },
	{ .name = "max_flows",
	  DATAPLANE(max_flows),
	  .type = &conf_type_number,
	  .def = "131072",
	  .min = 1024,
	  .max = 1U << 24,
	  .help = "Flows of all vips that are noted at a time, 128 bytes each: those that begin, or "
		  "send, in slots that a change moves. One that finds no room may break with the "
		  "next change." },
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
	{ .name = "echo_per_s",
	  DATAPLANE(echo_per_s),
	  .type = &conf_type_number,
	  .def = "1000",
	  .max = 100000,
	  .help = "Echo requests to vips that are answered, a second over all CPUs, a tenth of it "
		  "at once; the rest is dropped. 0: none, and all are the host's." },
	{ .name = "too_big_per_s",
	  DATAPLANE(too_big_per_s),
	  .type = &conf_type_number,
	  .def = "1000",
	  .max = 100000,
	  .help = "Senders a second, over all CPUs, that are told what fits to a backend; a tenth "
		  "of it at once. 0: none, and what does not fit is dropped without a word." },
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
