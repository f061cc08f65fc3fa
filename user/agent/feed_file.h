/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files that somebody else keeps up to date and that say who is denied or limited: whoever can write
 * one decides that, so it is root's or the agent's own. Opened by the supervisor with its own rights.
 */
#pragma once

#include <stddef.h>

#include "../base/errmsg.h"

/*
 * All of a regular file of at most max_bytes, with a NUL behind: owned by root or by this process's
 * user (root itself reads any), and not writable by others. Negative errno and *err naming path.
 */
int feed_file_read(const char *path, size_t max_bytes, char **ret, size_t *ret_len,
		   struct errmsg *err);
/* Replace a file, durably: the old or the new one is there after a crash. Negative errno. */
int feed_file_write(const char *path, const char *data, size_t len);
