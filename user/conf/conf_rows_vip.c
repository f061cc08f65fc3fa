/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of vips and their backends, and of what a backend itself needs. */
#include <netinet/in.h>

#include "conf_rows.h"
#include "sluice/abi/decap.h"
#include "sluice/abi/nat.h"
#include "sluice/abi/vip.h"

static const struct conf_word protocol_words[] = { { "tcp", IPPROTO_TCP },
						   { "udp", IPPROTO_UDP },
						   { NULL, 0 } };

static const struct conf_word mode_words[] = { { "l2", BACKEND_L2 },
					       { "ipip", BACKEND_IPIP },
					       { "gue", BACKEND_GUE },
					       { "nat", BACKEND_NAT },
					       { NULL, 0 } };
static const struct conf_word mss_words[] = { { "off", 0 },
					      { "auto", CONF_MSS_AUTO },
					      { NULL, 0 } };
static const struct conf_word all_down_words[] = { { "drop", CONF_ALL_DOWN_DROP },
						   { "last-known", CONF_ALL_DOWN_LAST_KNOWN },
						   { NULL, 0 } };

static const struct conf_word affinity_words[] = { { "flow", false },
						   { "client", true },
						   { NULL, 0 } };

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
	  .help = "Its own address. In modes l2 and nat of the vip's family, in l2 on a link that "
		  "the host is on; else any that is routed to, IPv4 for vips of IPv4 only." },
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
	{ .name = "drain_by",
	  CONF_AT(struct conf_backend, drain_by),
	  .type = &conf_type_number,
	  .def = "0",
	  .max = UINT32_MAX,
	  .help = "Drained: no new flows from now on, and what it has is to be over by then, in "
		  "seconds since 1970; 0 is not drained. Set by sluicectl backend drain." },
	{ .name = "server_id",
	  CONF_AT2(struct conf_backend, server_id, has_server_id),
	  .type = &conf_type_server_id,
	  .def_help = "required with quic",
	  .help = "What it writes into its connection ids, unique within the vip: a number, "
		  "decimal or with 0x, most significant byte first." },
	{ .name = "port",
	  CONF_AT(struct conf_backend, port),
	  .type = &conf_type_number,
	  .def = "0",
	  .help = "Of mode nat: the port that it listens at; 0 is the vip's." },
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
	  CONF_AT2(struct conf_vip, address, address_bits),
	  .type = &conf_type_place,
	  .flags = CONF_REQUIRED,
	  .help = "Address that clients talk to, or a prefix of them, of IPv4 a /8 or longer, of "
		  "IPv6 a /16. The longest prefix that has an address takes it." },
	{ .name = "port",
	  CONF_AT2(struct conf_vip, port, port_last),
	  .type = &conf_type_place_ports,
	  .flags = CONF_REQUIRED,
	  .help = "Port that clients talk to, a range of them, or any. Of vips with the same "
		  "address or prefix, one of a single port takes it before one of a range, and that "
		  "before one of any." },
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
		  "header of their own (ipip); in UDP, by Generic UDP Encapsulation (gue); or with "
		  "the backend's address and port, and answers come back through here (nat)." },
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
	{ .name = "echo",
	  CONF_AT(struct conf_vip, echo),
	  .type = &conf_type_bool,
	  .def = "true",
	  .help = "Whether echo requests (ping) to its addresses are answered here; else they are "
		  "the host's. Of several vips of an address it is that of TCP which says." },
	{ .name = "mss_clamp",
	  CONF_AT(struct conf_vip, mss_clamp),
	  .type = &conf_type_number,
	  .words = mss_words,
	  .def = "off",
	  .min = CONF_MSS_MIN,
	  .help = "The segment size that a SYN to the vip offers is lowered to this many bytes; "
		  "auto is what fits to the backend, outer headers taken off. In mode nat that of "
		  "the SYN-ACK is as well." },
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
	{ .name = "health",
	  CONF_SUB_AT(struct conf_vip, health, &conf_table_health),
	  .flags = CONF_NULLABLE,
	  .help = "How its backends are probed; without it they are all taken for healthy." },
	{ .name = "slow_start",
	  CONF_AT(struct conf_vip, slow_start_ms),
	  .type = &conf_type_duration,
	  .def = "0s",
	  .max = 3600ULL * 1000,
	  .help = "Over which a backend that comes up gets from a tenth of its weight to all of "
		  "it, in steps of a tenth." },
	{ .name = "all_down",
	  CONF_AT(struct conf_vip, all_down),
	  .type = &conf_type_word,
	  .words = all_down_words,
	  .def = "drop",
	  .help = "What happens once no backend is up: packets are dropped and counted, or go to "
		  "those that were up before the last ones failed." },
	{ .name = "drain",
	  CONF_AT2(struct conf_vip, drain_ms, has_drain),
	  .type = &conf_type_duration_opt,
	  .def_help = "5m of TCP, 0s of UDP",
	  .max = 24ULL * 3600 * 1000,
	  .help = "For how long after a change of its backends flows of before it are kept where "
		  "they are; those that send within it stay there for good. 0s: not at all. Of mode nat: "
		  "for how long those of a backend that is removed go on." },
	{ .name = "affinity",
	  CONF_AT(struct conf_vip, by_client),
	  .type = &conf_type_word,
	  .words = affinity_words,
	  .def = "flow",
	  .help = "Who has one backend: each flow, or each client (an address; of IPv6 a /64). A "
		  "change of it moves flows as a new ring does." },
	{ .name = "ring_size",
	  CONF_AT(struct conf_vip, ring_size),
	  .type = &conf_type_number,
	  .def = "0",
	  .max = 65537,
	  .help = "Slots of its ring, a prime and at most dataplane.ring_size; 0 is that. A small "
		  "one is filled sooner, and shares less evenly." },
	{ .name = "backends",
	  CONF_SUBS_AT(struct conf_vip, backends, n_backends, &conf_table_backend),
	  .max_items = 65535,
	  .help = "Who answers: from the vip's address and directly to the client (direct server "
		  "return), but through here in mode nat. With none, or none of weight, packets "
		  "are dropped and counted." },
	{ .name = "quic",
	  CONF_SUBS_AT(struct conf_vip, quic, n_quic, &conf_table_quic),
	  .max_items = CONF_QUIC_MAX,
	  .help = "How connection ids of QUIC look that name the backend; two while backends go "
		  "from one to the other." },
	{ .name = "snat",
	  CONF_LIST_AT(struct conf_vip, snat, n_snat),
	  .type = &conf_type_address,
	  .max_items = NAT_SOURCES_MAX,
	  .help = "Of mode nat: addresses of this host that backends see instead of the client's "
		  "and answer to. Without them they see the client's, and their route to clients "
		  "has to lead through here." },
};

/* A datagram does not say whether its flow is new: kept, flows would stay with who they have. */
static void vip_derive(void *item, const struct conf_node *node)
{
	struct conf_vip *vip = item;

	(void)node;
	if (!vip->has_drain)
		vip->drain_ms = vip->protocol == IPPROTO_TCP ? 5 * 60 * 1000 : 0;
}

const struct conf_table conf_table_vip =
	CONF_TABLE("vip", vip_rows, struct conf_vip, .derive = vip_derive);

#define NAT(field) CONF_AT(struct conf_nat, field), .type = &conf_type_duration
#define NAT_MAX_MS (7ULL * 86400 * 1000)

/* RFC 5382 REQ-5 (TCP: 2 h 4 min, and 4 min for what closes), RFC 4787 REQ-5 (UDP: 2 min). */
static const struct conf_row nat_rows[] = {
	{ .name = "tcp_opening",
	  NAT(tcp_opening_ms),
	  .def = "60s",
	  .min = 1000,
	  .max = NAT_MAX_MS,
	  .help = "TCP until the client has answered the backend's SYN-ACK." },
	{ .name = "tcp_established",
	  NAT(tcp_established_ms),
	  .def = "7440s",
	  .min = 1000,
	  .max = NAT_MAX_MS,
	  .help = "TCP from then on." },
	{ .name = "tcp_closing",
	  NAT(tcp_closing_ms),
	  .def = "240s",
	  .min = 1000,
	  .max = NAT_MAX_MS,
	  .help = "TCP of which one side has sent its FIN." },
	{ .name = "tcp_closed",
	  NAT(tcp_closed_ms),
	  .def = "10s",
	  .min = 1000,
	  .max = NAT_MAX_MS,
	  .help = "TCP of which both sides have, or that one of them reset: for what is sent "
		  "again." },
	{ .name = "udp_opening",
	  NAT(udp_opening_ms),
	  .def = "30s",
	  .min = 1000,
	  .max = NAT_MAX_MS,
	  .help = "UDP until the client has gone on after an answer." },
	{ .name = "udp_established",
	  NAT(udp_established_ms),
	  .def = "120s",
	  .min = 1000,
	  .max = NAT_MAX_MS,
	  .help = "UDP from then on." },
};

const struct conf_table conf_table_nat = CONF_TABLE("nat", nat_rows, struct conf_nat, );

static const struct conf_row decap_rows[] = {
	{ .name = "devices",
	  CONF_LIST_AT(struct conf_decap, devices, n_devices),
	  .type = &conf_type_ifname,
	  .max_items = 64,
	  .help = "Devices that such packets come in by; none of dataplane.devices." },
	{ .name = "ipip",
	  CONF_AT(struct conf_decap, ipip),
	  .type = &conf_type_bool,
	  .def = "true",
	  .help = "Take packets out of IP." },
	{ .name = "gue_port",
	  CONF_AT(struct conf_decap, gue_port),
	  .type = &conf_type_number,
	  .def = "6080",
	  .help = "Take packets out of UDP to this port; 0: out of none." },
	{ .name = "sources",
	  CONF_LIST_AT(struct conf_decap, sources, n_sources),
	  .type = &conf_type_prefix,
	  .max_items = DECAP_SOURCES_MAX,
	  .help = "Who may send them: the edges. From all others they are dropped, since whoever "
		  "sends one chooses the source of what is inside." },
};

const struct conf_table conf_table_decap = CONF_TABLE("decap", decap_rows, struct conf_decap, );
