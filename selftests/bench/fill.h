/* SPDX-License-Identifier: BSD-2-Clause */
/* Filling the maps of a packet program for a benchmark. What fails ends the program, by name. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <bpf/libbpf.h>

#define FILL_CLASS    1 /* of one limit; of several, the first */
#define FILL_CLASSES  3
#define FILL_GROUP    1
#define FILL_SERVICE  1 /* of the vip, and of what goes out */
#define FILL_ROW_BITS 20
#define FILL_STRIDE   1031
#define FILL_VIP      1
#define FILL_VIP_ADDR 0xc000020a /* 192.0.2.10 */
#define FILL_VIP_PORT 80

/* Limits of packets for everybody, everywhere and in both directions. */
struct fill_limits {
	uint64_t per_s; /* 0: one a day */
	uint64_t burst;
	uint32_t classes;    /* that each packet meets, 1..FILL_CLASSES */
	uint32_t row_bits;   /* of each of their rows */
	bool totals;	     /* and bytes and new connections, of each source and of all */
	uint32_t concurrent; /* connections of a source at a time; 0: any */
};

__attribute__((noreturn)) void fill_die(const char *what);

void fill_limits(struct bpf_object *obj, const struct fill_limits *limits);
/* Meters of their own for the first n sources of vary.h. */
void fill_proven(struct bpf_object *obj, uint32_t n);
/* The same for one IPv4 source, in so many classes. */
void fill_proven_one(struct bpf_object *obj, const uint8_t source[4], uint32_t classes);
/* And for an IPv6 /64. */
void fill_proven_v6(struct bpf_object *obj, const uint8_t unit[8]);
/* That source has so many connections in the first class. */
void fill_connections(struct bpf_object *obj, const uint8_t source[4], uint32_t n);
/* Deny so many prefixes of mixed lengths, none of which has the packet's source. */
void fill_deny(struct bpf_object *obj, uint32_t n, bool is_v6);
/* So many verdicts on sources, and on flows, that are not the packet's. */
void fill_verdicts(struct bpf_object *obj, uint32_t sources, uint32_t flows);
void fill_verdict_of(struct bpf_object *obj, const uint8_t source[4]);
/* As the agent says when there are none. */
void fill_no_verdicts(struct bpf_object *obj);
void fill_no_vips(struct bpf_object *obj);
/* A backend and its ring, of FILL_VIP. */
void fill_vip(struct bpf_object *obj);
/* The guards of this host's listeners and of the vip: enum guard_mode. */
void fill_guard(struct bpf_object *obj, uint32_t mode);
