/* SPDX-License-Identifier: BSD-2-Clause */
/* Asking an endpoint, and asking again. */
#pragma once

#include "exchange.h"

/*
 * The one rule of retries: no byte of a response came, and either no byte of the request was sent,
 * or the method is idempotent and the request can be sent again (nothing of a body was passed on).
 */
bool attempt_may_repeat(const struct exchange *x, const struct upstream_conn *up);
