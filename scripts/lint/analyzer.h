/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Included before every file when clang-tidy reads it, never when it is compiled: what the analyzer
 * cannot see because it looks at one file at a time.
 */
#pragma once

#include <errno.h>

#include "base/errmsg.h"

/*
 * It returns its code, which is negative, so that what follows `if (err)` is not reached with outputs
 * unwritten. Which code does not matter; clang 14 knows nothing about -errno, so a constant.
 */
#define errmsg_set(err, code, ...) ((void)(errmsg_set)((err), (code), __VA_ARGS__), -EIO)
