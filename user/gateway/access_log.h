/* SPDX-License-Identifier: BSD-2-Clause */
/* One JSON line per exchange. Never a query, a field's value or a key. */
#pragma once

#include "exchange.h"

void access_log_write(const struct exchange *x);
