/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets of a flow that is translated, from both of its sides. */
#pragma once

#include "nat_lab.h"

#define NAT_PLAY_PORT 4000 /* of the backend's answers, where nothing was to be answered */

/* A packet of the client's, a datagram without flags; out is as it leaves. */
enum plane_action nat_play_client(struct plane *p, uint16_t port, uint8_t flags,
				  struct packet *out);
/* The backend's answer to what it got. */
enum plane_action nat_play_backend(struct plane *p, const struct packet *got, uint8_t flags);
/*
 * Play it; out is the first packet as the backend got it.
 *   script  SAFR: the client's SYN, ACK, FIN, RST; saf: the backend's SYN-ACK, ACK, FIN; C, B: datagrams
 */
void nat_play(struct plane *p, uint16_t port, const char *script, struct packet *out);
