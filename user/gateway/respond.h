/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers made here: problem details (RFC 9457) with Proxy-Status (RFC 9209), and OPTIONS *. */
#pragma once

#include "exchange.h"

/*
 * Answer and end the exchange. status 0, detail NULL: those of the taxonomy. To be called before
 * anything was answered.
 */
void respond_problem(struct exchange *x, enum termination end, unsigned int status,
		     const char *detail);
void respond_refusal(struct exchange *x, const struct policy_refusal *r);
/* 204 to OPTIONS of the whole server (RFC 9110 s9.3.7), and end the exchange. */
void respond_options(struct exchange *x);
