/* SPDX-License-Identifier: BSD-2-Clause */
/* An operator must not lock himself out by applying a file. */
#pragma once

#include "request.h"

/*
 * -EPERM when text newly denies the address of the caller's SSH session, or has a limit for it that
 * is new or tighter than it is now, and --force was not given. A text that does not parse is for the
 * apply itself to refuse. A dry run is warned.
 */
int guard_file(struct control_request *r, const char *text);
