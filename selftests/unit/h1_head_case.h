/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A head on the wire, and what has to come out as one line of text. It is given whole, byte by byte
 * and cut at every point: the outcome has to be the same.
 */
#pragma once

#include "http/h1/parse.h"

struct head_case {
	const char *sentence;
	const char *wire;
	size_t len;
	const char *expect;	  /* "status: why", or what describe() makes of the head */
	enum http_method answers; /* responses: the request's method */
	struct h1_limits limits;
};

#define WIRE(s) .wire = s, .len = sizeof(s) - 1

/* What a case without limits of its own is parsed with. */
extern const struct h1_limits h1_head_case_limits;

void h1_head_case_check(const struct head_case *c, bool response);
