/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of a lane, a file each: what lane.c and lane_policy.c put together. */
#pragma once

#include <stddef.h>

#include "lane.h"

void *lane_map_memory(const struct lane *l, const char *name, size_t bytes);
void lane_unmap(void *memory, size_t bytes);
void lane_put(const struct lane *l, const char *map, const void *key, const void *value);
void lane_empty(const struct lane *l, const char *map);

/*
 * open and close with the lane; forget before a round; write when policy has changed; check: false,
 * and what differs is in said.
 */
void lane_guard_open(struct lane *l);
void lane_guard_close(struct lane *l);
void lane_guard_forget(struct lane *l);
void lane_guard_write(struct lane *l);
bool lane_guard_check(struct lane *l);
void lane_egress_open(struct lane *l, const struct plane_settings *settings);
void lane_egress_close(struct lane *l);
void lane_egress_forget(struct lane *l);
void lane_egress_write(struct lane *l);
bool lane_egress_check(struct lane *l);

void lane_explain_open(struct lane *l, const struct plane_settings *settings);
void lane_explain_close(struct lane *l);
/* Before a packet of the way in, and behind it: false, and what differs is in said. */
void lane_explain_ask(struct lane *l, const struct lane_packet *p);
bool lane_explain_check(struct lane *l, const struct model_packet *want, enum model_fate fate,
			uint32_t returned, const uint8_t *out, uint32_t out_bytes);

void lane_flow_open(struct lane *l);
void lane_flow_close(struct lane *l);
void lane_flow_forget(struct lane *l);
bool lane_flow_check(struct lane *l);

void lane_capture_open(struct lane *l);
void lane_capture_close(struct lane *l);
void lane_capture_forget(struct lane *l);
void lane_capture_write(struct lane *l);
bool lane_capture_check(struct lane *l);
/* A packet came in: false if what was captured of it is not what the model says. */
bool lane_capture_ran(struct lane *l, const struct model_packet *p);

void lane_nat_open(struct lane *l);
void lane_nat_close(struct lane *l);
void lane_nat_forget(struct lane *l);
void lane_nat_write(struct lane *l);
bool lane_nat_check(struct lane *l);
/* policy has another max_flows than before: as the agent, with flows that stand. */
void lane_nat_resize(struct lane *l, uint32_t before);
/* It went on translated: whoever it went to may answer. */
void lane_nat_sent(struct lane *l, const struct model_packet *p);

void lane_quic_open(struct lane *l);
void lane_quic_close(struct lane *l);
void lane_quic_write(struct lane *l);

void lane_top_forget(struct lane *l);
bool lane_top_check(struct lane *l);

/* A step of a change of rates; another size of a class's rows, with full buckets. */
void lane_carry_step(struct draw *d, struct lane *l, uint64_t now_ns);
void lane_carry_rows(struct draw *d, struct lane *l);

/* A reply went out. */
bool lane_guard_replied(struct lane *l, const struct model_packet *p);
