/* SPDX-License-Identifier: BSD-2-Clause */
/* A file that is too large for a request, as a descriptor that goes along with it. */
#pragma once

/* A sealed copy of a file ("-": standard input); -1 and a message on stderr. */
int feed_open(const char *path);
