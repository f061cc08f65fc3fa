/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Heavy hitters and captures: docs/feature/top.md. Of the former what is determined: as long as every
 * packet is a sample, all of it but where a key's set is.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sluice/abi/capture.h"
#include "sluice/abi/top.h"

#define MODEL_TOP_SAMPLES 1100 /* more than are counted before strata grow */

struct model_top_sample {
	uint64_t key, weight;
	uint32_t kind, note;
};

struct model_top_window {
	uint64_t epoch, credit;
	bool begun;
	uint32_t n;
	struct model_top_sample sample[MODEL_TOP_SAMPLES]; /* those that have a source */
};

struct model_top_table {
	bool sampled; /* strata are longer than a unit: what is credited is a matter of chance */
	uint32_t samples;
	struct model_top_window window[2];
};

struct model_capture_state {
	__u64 tat[EVENT_REASONS], missed;
};
