/* SPDX-License-Identifier: BSD-2-Clause */
/* What thousands of backends take: time to bring a change into force, and memory. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

/* Is one of its cases among the words of $CASES? All are when there are none. */
bool scale_is_wanted(void);
/*
 * Measure with the functions that the supervisor calls, in a folder of its own below /sys/fs/bpf and
 * on a device that is made and removed; rows are printed and appended to json. What fails ends the
 * program, by name.
 */
void scale_report(FILE *json, int runs);
