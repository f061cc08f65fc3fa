/* SPDX-License-Identifier: BSD-2-Clause */
/* Everything that is said about the command table. */
#pragma once

#include <stdio.h>

/* noun may be NULL: all of it. 0, or -ENOENT when there is no such noun. */
int help_print(const char *noun, FILE *out);
/* The COMMANDS section of sluicectl(1), as mdoc. */
void help_man(FILE *out);
