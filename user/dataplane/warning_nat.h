/* SPDX-License-Identifier: BSD-2-Clause */
/* What keeps the answers of backends of mode nat from coming back through the programs. */
#pragma once

struct dataplane;

/* Adds to dp->warnings. */
void warning_nat_check(struct dataplane *dp);
