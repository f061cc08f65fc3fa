/* SPDX-License-Identifier: BSD-2-Clause */
/* The text that goes with a negative errno, for an operator: what is wrong and what would be right. */
#pragma once

struct errmsg {
	char text[512];
};

/* Format into *err (which may be NULL) and return code, so that callers write return errmsg_set(). */
int errmsg_set(struct errmsg *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
