/* SPDX-License-Identifier: BSD-2-Clause */
/* What the model has of answers bounded by questions: docs/feature/egress.md, abi/response.h. */
#pragma once

#include <stdint.h>

#include "sluice/abi/response.h"

#define MODEL_SERVICES 6
#define MODEL_SET_BITS 4
#define MODEL_CREDITS  (RESPONSE_WAYS << MODEL_SET_BITS)

struct model_service {
	struct response_key key;
	struct response_service service;
};

struct model_response_policy {
	struct model_service service[MODEL_SERVICES];
	uint32_t n_service;
	struct response_state state;
};
