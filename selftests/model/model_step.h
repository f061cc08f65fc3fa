/* SPDX-License-Identifier: BSD-2-Clause */
/* What model.c puts in order. */
#pragma once

#include "model.h"

/* The steps, in their order; each MODEL_NEXT or what becomes of the packet. */
enum model_fate model_parse(const struct model_policy *policy, struct model_packet *p);
enum model_fate model_l4(const struct model_policy *policy, struct model_packet *p, uint32_t at,
			 uint32_t end);
enum model_fate model_acl(const struct model_policy *policy, struct model_packet *p);
enum model_fate model_verdict(struct model_policy *policy, struct model_packet *p);
enum model_fate model_vip_find(const struct model_policy *policy, struct model_packet *p);
enum model_fate model_guard(struct model *m, struct model_packet *p);
enum model_fate model_limit(struct model *m, struct model_packet *p);
enum model_fate model_limit_egress(struct model *m, struct model_packet *p);
/* Is a limit that admitted it near its end? */
bool model_limit_is_near(const struct model_packet *p);
void model_response_ask(struct model *m, struct model_packet *p);
enum model_fate model_response_answer(struct model *m, struct model_packet *p);
/* The backend that a connection id names; 0: none, it is the ring's to say. Counts what it met. */
uint32_t model_quic(struct model *m, struct model_packet *p);
enum model_fate model_vip(struct model *m, struct model_packet *p);
/* Does the vip that fragments to the packet's address go to answer echo requests? */
bool model_vip_echoes(const struct model_policy *policy, const struct model_packet *p);
/* Answers of the edge itself: to an echo request, and to what is too big for its backend. */
enum model_fate model_echo(struct model *m, struct model_packet *p);
enum model_fate model_mtu(struct model *m, struct model_packet *p);
/* Lower the segment size of a SYN to what its backend says. */
void model_mss(struct model_packet *p);
/* A backend's answer, that is a SYN-ACK, through here. */
void model_mss_back(struct model_packet *p, const struct backend *b);
/* The backend of a packet whose slot is that; key: of its flow, fragments without ports. */
uint32_t model_flow_choose(struct model *m, const struct model_packet *p,
			   const struct flow_key *key, const struct vip_slot *slot);
/* An answer of a translated flow; a client's packet of one; its way to the backend. */
enum model_fate model_nat_back(struct model *m, struct model_packet *p);
enum model_fate model_nat_find(struct model *m, struct model_packet *p);
enum model_fate model_nat(struct model *m, struct model_packet *p);
/* What the mode of the packet's backend makes of it; frame has room for it. */
enum model_fate model_encap(struct model_packet *p);

void model_count_egress(struct model_counters *c, const struct model_packet *p,
			enum model_fate fate);

/* At the exit: of the way in, and of the way out. */
void model_top(struct model *m, struct model_packet *p, enum model_fate fate);
void model_top_egress(struct model *m, struct model_packet *p, enum model_fate fate);

enum model_fate model_drop(struct model_packet *p, enum drop_reason reason);
/* NULL: it has none. */
struct model_client *model_client_find(struct model_state *s, const struct client_key *key);
/* The source's address masked to what policy knows: /32 or /64, or wide: /24 or /48. */
struct addr model_unit(const struct model_packet *p, bool wide);
