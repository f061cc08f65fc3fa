/* SPDX-License-Identifier: BSD-2-Clause */
/* Fields of a client's request that must not reach an endpoint: docs/feature/http1.md. */
#pragma once

#include "http/message.h"
#include "policy/policy.h"

/*
 * true: not to be passed on, and counted by its kind unless it is the key that the route asked for.
 * Not to be asked about fields that every hop removes (http_field.hop) or that we write anew.
 */
bool field_strip(const struct http_head *h, const struct http_field *f,
		 const struct policy_exchange *p);
