/* SPDX-License-Identifier: BSD-2-Clause */
/* A child that dies right before one of the system calls by which pins and links change. */
#pragma once

#include <stdbool.h>

enum crash_at {
	CRASH_PIN,	   /* before its nth pin */
	CRASH_LINK_UPDATE, /* before its nth update of a link */
	CRASH_RENAME	   /* before it renames this pin */
};

struct crash {
	enum crash_at at;
	int nth;
	const char *pin;
};

/* Run fn in a child until it would do that, and kill it. False: it never did, and fn returned. */
bool crash_lab_run(const struct crash *c, void (*fn)(void *ctx), void *ctx);
