/* SPDX-License-Identifier: BSD-2-Clause */
/* Vips of mode nat in a plane: vip 1 is IPv4 over backend 1, vip 2 IPv6 over backend 2. */
#pragma once

#include "lib/proto.h"
#include "plane_case.h"
#include "sluice/abi/nat.h"
#include "sluice/algo/csum.h"

#define NAT_VIP_4	 "192.0.2.10"
#define NAT_VIP_6	 "2001:db8:2::10"
#define NAT_CLIENT_4	 "198.51.100.7"
#define NAT_CLIENT_6	 "2001:db8:1::7"
#define NAT_EDGE_4	 "10.1.0.1"
#define NAT_EDGE_6	 "fd00:1::1"
#define NAT_BACKEND_4	 "10.2.0.7"
#define NAT_BACKEND_6	 "fd00:2::7"
#define NAT_BACKEND_PORT 8080
#define NAT_LAB_FLOWS	 64
#define NAT_LAB_YOUNG	 32

/* Ports in host order. */
struct nat_lab_tuple {
	struct addr src, dst;
	uint16_t sport, dport;
};

void nat_lab_open(struct plane *p, bool routed);
void nat_lab_state(const struct plane *p, struct nat_state *ret);
void nat_lab_state_set(const struct plane *p, const struct nat_state *state);
struct stats_nat nat_lab_stats(const struct plane *p, bool v6);
enum plane_action nat_lab_sent(const struct plane *p);

/* A client's packet to the vip: of TCP a SYN. */
struct packet_spec nat_lab_spec(bool v6, uint8_t proto, uint16_t sport);
/* packet_build, with the checksum of the transport. */
void nat_lab_build(const struct packet_spec *spec, struct packet *ret);
/* What the backend answers to a packet as it got it; of TCP a SYN-ACK. */
void nat_lab_answer(const struct packet *got, const struct packet_spec *spec, struct packet *ret);

void nat_lab_tuple(const struct packet *p, bool v6, struct nat_lab_tuple *ret);
bool nat_lab_is(const struct addr *a, const char *text);
void nat_lab_text(const struct addr *a, char ret[64]);

/* From scratch; of ICMP the protocol is PROTO_ICMP or PROTO_ICMPV6. */
void nat_lab_fill_sums(struct packet *p, bool v6, uint8_t proto);
bool nat_lab_sums_up(const struct packet *p, bool v6, uint8_t proto);
void nat_lab_check_sums(const struct packet *p, bool v6, uint8_t proto);

/* As when max_nat_flows has been raised: slots are the same, tuples are still to be moved. */
void nat_lab_make_tuples_old(struct plane *p);
