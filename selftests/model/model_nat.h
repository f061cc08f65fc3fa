/* SPDX-License-Identifier: BSD-2-Clause */
/* What the model has of translated flows: docs/feature/nat.md. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sluice/abi/limit.h"
#include "sluice/abi/nat.h"

#define MODEL_NAT_FLOWS 64

struct model_nat_policy {
	bool is_on;
	bool ipv6; /* its backends and vips: one family in each world */
	uint32_t max_flows, max_young;
	uint64_t timeout_ns[NAT_TIMEOUTS];
	struct nat_vip vip[4]; /* by vip id: MODEL_VIPS */
};

/* A class that a flow is counted in, for whom. */
struct model_nat_counted {
	uint32_t id; /* 0: none */
	struct addr unit;
};

struct model_nat_flow {
	bool lives; /* until somebody ends it, though its time may be over */
	bool young;
	struct flow_key client, answer;
	enum nat_phase phase;
	uint64_t until_ns;
	uint32_t vip_id, backend_id, generation, ifindex;
	uint8_t client_mac[6], edge_mac[6];
	struct model_nat_counted counted[LIMIT_SET_CLASSES];
};

struct model;

/* Flows are in the slots that the program chose. */
struct model_nat_state {
	struct model_nat_flow flow[MODEL_NAT_FLOWS];
	uint32_t hand;
	uint32_t
		lives; /* sum over slots: which of them was filled for nothing, only the program knows */
};

/*
 * Room for policy's max_flows instead of so many as before: those whose slot is none any more take the
 * first that are free, and the others have gone. *moved of the former, returns how many of the latter.
 */
uint32_t model_nat_resize(struct model *m, uint32_t before, uint32_t *moved);
