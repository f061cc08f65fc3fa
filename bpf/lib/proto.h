/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Protocol numbers: those are macros in the kernel, so its type information lacks them. */
#pragma once

#include <stdbool.h>

#include <linux/types.h>

enum ether_type {
	ETHER_IPV4 = 0x0800,
	ETHER_IPV6 = 0x86dd,
	ETHER_VLAN = 0x8100, /* 802.1Q */
	ETHER_QINQ = 0x88a8, /* 802.1ad */
	ETHER_QINQ_OLD = 0x9100,
};

/* IANA protocol numbers. */
enum proto {
	PROTO_HOP_OPTIONS = 0,
	PROTO_ICMP = 1,
	PROTO_IPIP = 4,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_IPV6 = 41,
	PROTO_ROUTING = 43,
	PROTO_FRAGMENT = 44,
	PROTO_AUTH = 51,
	PROTO_ICMPV6 = 58,
	PROTO_DEST_OPTIONS = 60,
	PROTO_MOBILITY = 135,
	PROTO_HIP = 139,
	PROTO_SHIM6 = 140,
};

/* The low 13 bits of IPv4's fragment field count units of 8 bytes. */
#define IPV4_FRAG_OFFSET 0x1fff
#define IPV4_FRAG_MORE	 0x2000
#define IPV4_FRAG_DONT	 0x4000
/* IPv6 has the offset in the high 13 bits instead. */
#define IPV6_FRAG_OFFSET 0xfff8
#define IPV6_FRAG_MORE	 0x0001

/* Flag byte of TCP, the 14th of the header. */
#define TCP_FLAG_BYTE 13
#define TCP_FIN_FLAG  0x01
#define TCP_SYN	      0x02
#define TCP_RST_FLAG  0x04
#define TCP_ACK	      0x10

static inline bool ether_is_vlan(__u16 type)
{
	return type == ETHER_VLAN || type == ETHER_QINQ || type == ETHER_QINQ_OLD;
}

/* Types of echo requests (RFC 792, RFC 4443 s4.1); answers are 0 and 129. */
#define ICMP_ECHO	  8
#define ICMP_ECHO_REPLY	  0
#define ICMPV6_ECHO	  128
#define ICMPV6_ECHO_REPLY 129

/* Errors quote the packet that caused them: unreachable, exceeded, parameter problem (RFC 792). */
static inline bool icmp_quotes(__u8 type)
{
	return type == 3 || type == 11 || type == 12;
}

/* RFC 4443 s2.1 gives errors the types below 128; those in use are 1..4. */
static inline bool icmpv6_quotes(__u8 type)
{
	return type >= 1 && type <= 4;
}

/* Router and neighbour discovery, redirect (RFC 4861): what ARP is to IPv4. */
static inline bool icmpv6_is_discovery(__u8 type)
{
	return type >= 133 && type <= 137;
}

static inline bool tcp_is_listening(__u32 state)
{
	return state == 10;
}

/* SYN_RECV, also of a request that has no socket yet (NEW_SYN_RECV): the handshake is not over. */
static inline bool tcp_is_opening(__u32 state)
{
	return state == 3 || state == 12;
}

static inline bool tcp_is_waiting(__u32 state)
{
	return state == 6;
}

/* States of a TCP socket in which the peer's address has been proven (include/net/tcp_states.h). */
static inline bool tcp_is_established(__u32 state)
{
	return state == 1 || state == 4 || state == 5 || state == 8 || state == 9 || state == 11;
}
