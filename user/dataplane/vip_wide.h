/* SPDX-License-Identifier: BSD-2-Clause */
/* Map vip_wide: which vip takes what of prefixes and ranges of ports, and who gets fragments. */
#pragma once

#include "conf/conf.h"

struct dataplane;

/*
 * Make the map what conf says. No packet meets a mixture: new and changed records from the longest
 * prefix to the shortest, then those that go, from the shortest to the longest. The vips that it names
 * have their records already, those that it named still have them.
 */
int vip_wide_apply(struct dataplane *dp, const struct conf *conf);
