/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writing pcapng, the capture format of Wireshark and tcpdump (draft-ietf-opsawg-pcapng): a section
 * header, interfaces of Ethernet frames with times in nanoseconds, and packets with a comment each.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "buf.h"

#define PCAPNG_TEXT_MAX 1024 /* of a name or comment; what is longer is cut */

/* Each adds one block, in host byte order. 0 or -ENOSPC with nothing added. */

/* First of all. application: who writes. */
int pcapng_section(struct buf *out, const char *application);
/* Interfaces count from 0 in the order in which they are added. */
int pcapng_interface(struct buf *out, const char *name);

struct pcapng_packet {
	uint32_t interface;
	uint64_t time_ns; /* since 1970 */
	const void *data;
	uint32_t bytes;	     /* of data */
	uint32_t wire_bytes; /* of the frame; more than bytes where it was cut */
	const char *comment; /* NULL: none */
};

/* A packet that came in. */
int pcapng_packet(struct buf *out, const struct pcapng_packet *p);
