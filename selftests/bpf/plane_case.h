/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests that run on every hook: each becomes "xdp: sentence" and "tc: sentence". */
#pragma once

#include "plane.h"

/* The plane is fresh for each test; row is the row of a table, or NULL. */
typedef void plane_test(struct plane *p, const void *row);

/* For all rows of a table: its first member is the sentence (const char *). */
void plane_case_table(plane_test *fn, const void *rows, size_t row_bytes, size_t n);
void plane_case_add(const char *sentence, plane_test *fn);
/* Settings for the planes of what is added from here on; NULL: defaults. Kept by reference. */
void plane_case_settings(const struct plane_settings *settings);
/* Loading takes a tenth of a second: rows that leave no state behind share a plane per hook. */
void plane_case_shared(bool shared);
/* Run what was added; returns the process's exit status. */
int plane_case_run(const char *group);
