/* SPDX-License-Identifier: BSD-2-Clause */
#include "termination.h"

static const struct termination_row rows[] = {
#define TERMINATION_ROW(id, code, status, proxy_error, detail) \
	[TERMINATION_##id] = { code, status, proxy_error, detail },
	TERMINATIONS(TERMINATION_ROW)
#undef TERMINATION_ROW
};

const struct termination_row *termination_row(enum termination end)
{
	return &rows[end];
}
