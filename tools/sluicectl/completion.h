/* SPDX-License-Identifier: BSD-2-Clause */
/* What the shell offers for a word that was begun. */
#pragma once

#include <stdio.h>

/* A bash completion script, from the command table: nouns, verbs, fields and what they may be. */
void completion_bash(FILE *out);
