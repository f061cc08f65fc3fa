/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames of packets: made of what an operator says about one, and described to him. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errmsg.h"
#include "sluice/abi/addr.h"

#define EXPLAIN_FRAME_TEXT 400

/* Ports and the bits of TCP's flags in host order; what is 0 has the usual value. */
struct explain_packet {
	struct addr source, dst; /* of one family */
	uint16_t sport, dport;
	uint8_t proto;	   /* transport, as in the IP header */
	uint8_t tcp_flags; /* as in the header's byte */
	uint8_t ttl;	   /* 0: 64 */
	uint32_t bytes;	   /* of the whole frame, link header included; 0: no payload */
};

/*
 * Ethernet, IP without options, TCP, UDP, ICMP (an echo request) or nothing known, and zeroes.
 * -EINVAL and *err: two families, or too short for the headers. How many bytes there are in ret.
 */
int explain_frame_make(const struct explain_packet *p, uint8_t *ret, size_t max,
		       struct errmsg *err);
/* "001122…": the bytes, or -EINVAL and *err. */
int explain_frame_hex(const char *text, uint8_t *ret, size_t max, struct errmsg *err);
/* "syn,ack" or "S"… as the byte of the TCP header; -EINVAL and *err. */
int explain_frame_flags(const char *text, uint8_t *ret, struct errmsg *err);
/* Its headers from the IP header on in one line; has_outer: those of the packet inside as well. */
const char *explain_frame_text(const uint8_t *frame, size_t bytes, bool has_outer,
			       char ret[EXPLAIN_FRAME_TEXT]);
/* "02:00:00:00:00:01 > 02:…"; "" where there is no link header. */
const char *explain_frame_link(const uint8_t *frame, size_t bytes, char ret[64]);
