/* SPDX-License-Identifier: BSD-2-Clause */
/* What model_nat.c takes of the files beside it. */
#pragma once

#include "model_step.h"

/* Its time is over; it ends when somebody looks. */
bool model_nat_is_over(const struct model_nat_flow *f, uint64_t now_ns);
void model_nat_end(struct model *m, struct model_nat_flow *f);
/* The next slots are looked at: what is over in them ends. */
void model_nat_sweep(struct model *m, uint64_t now_ns);
/* The flow that one of the tuples is of, if any lives. */
struct model_nat_flow *model_nat_with(struct model *m, const struct flow_key *key);
/* MODEL_NEXT, or why the packet's shape keeps it from being translated. */
enum model_fate model_nat_shape(struct model_packet *p);
/* Begin the packet's flow, in the slot and with the port that the program chose, if it may have. */
enum model_fate model_nat_open(struct model *m, struct model_packet *p);
/* The packet of a flow, or an error about one, with the other side's addresses. */
enum model_fate model_nat_rewrite(struct model_packet *p, const struct model_nat_flow *f,
				  bool is_back);
