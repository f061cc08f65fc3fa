/* SPDX-License-Identifier: BSD-2-Clause */
/* The program that explains those of a plane, on its maps and with its settings, clock and variables. */
#pragma once

#include "plane.h"
#include "sluice/abi/explain.h"

struct plane_explain {
	struct bpf_object *object;
	int prog_fd;
	int trace_fd;
};

/* in: of PLANE_XDP or PLANE_TC, and open for as long. */
void plane_explain_open(struct plane_explain *x, const struct plane *in);
void plane_explain_close(struct plane_explain *x);
/* Explain a packet; what the program returned. out and *out_bytes (its room, then its length): as it leaves. */
uint32_t plane_explain_run(const struct plane_explain *x, const void *frame, uint32_t bytes,
			   void *out, uint32_t *out_bytes, struct explain_trace *ret);
