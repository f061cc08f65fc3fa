/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers made here: problem details (RFC 9457) with Proxy-Status (RFC 9209). */
#pragma once

#include "exchange.h"

/*
 * Answer and end the exchange. status 0, detail NULL: those of the taxonomy. To be called before
 * anything was answered.
 */
void respond_problem(struct exchange *x, enum termination end, unsigned int status,
		     const char *detail);
void respond_refusal(struct exchange *x, const struct policy_refusal *r);
