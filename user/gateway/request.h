/* SPDX-License-Identifier: BSD-2-Clause */
/* From the bytes of a head to a decided exchange. */
#pragma once

#include "conn.h"

/* There may be a head in stream.in: parse, route, ask the policies, start. */
void request_read(struct conn *c);
/* The head did not come in time. */
void request_timeout(struct conn *c);
