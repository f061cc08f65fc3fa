/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets for tests: described by a struct that reads like a sentence, built into bytes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice/abi/addr.h"

#define PACKET_MAX     4096
#define PACKET_EXT_MAX 12

enum { TCP_FIN = 1, TCP_SYN_FLAG = 2, TCP_RST = 4, TCP_ACK_FLAG = 16 };

/* What is zero has the obvious default: no tags, no options, TTL 64, no fragment. */
struct packet_spec {
	const char *src, *dst; /* text; an IPv6 address makes an IPv6 packet */
	uint8_t proto;
	uint16_t sport, dport;
	uint8_t tcp_flags;
	uint32_t tcp_option_bytes; /* multiple of 4 */
	uint32_t payload_bytes;

	uint32_t tags;		     /* VLAN: one is 802.1Q, of two the outer one 802.1ad */
	uint16_t ether_type;	     /* instead of the one of the IP version */
	uint32_t option_bytes;	     /* IPv4: multiple of 4, up to 40 */
	uint8_t ext[PACKET_EXT_MAX]; /* IPv6: extension headers of 8 bytes; 0 ends */
	bool hop_options;	     /* IPv6: such a header first; its number is that 0 */
	uint32_t ext_words;	     /* more 8-byte words in the first of them */
	uint16_t frag_offset;	     /* in units of 8 bytes; for IPv6 with PROTO_FRAGMENT in ext */
	bool frag_more;
	uint8_t hop_limit;
	uint8_t traffic_class; /* the low two bits are ECN */

	uint8_t icmp_type;
	const struct packet_spec *quoted; /* in an ICMP error */
	uint32_t quoted_l4_bytes;	  /* how much of its transport header; 0: 8 */

	int length_lie; /* added to the length in the IP header */
	uint8_t ihl;	/* instead of the true one; and so on */
	uint8_t doff;
	uint8_t version;
	uint16_t udp_length;
	uint32_t padding; /* bytes behind the IP packet */
};

struct packet {
	uint8_t bytes[PACKET_MAX];
	uint32_t len;
	uint32_t l3; /* offset of the IP header */
	uint32_t l4; /* of the transport header */
};

void packet_build(const struct packet_spec *spec, struct packet *ret);
/* An address as maps hold it; fails the test on a typing error. */
struct addr packet_addr(const char *text);
