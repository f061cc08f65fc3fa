/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Map epochs: makes the kernel look cached policy up again. Raise after the authoritative write,
 * never before: a packet in between would cache the old answer under the new epoch.
 */
#pragma once

#include "sluice/abi/addr.h"

struct dataplane;

int epoch_raise_all(struct dataplane *dp);
int epoch_raise_source(struct dataplane *dp, const struct addr *source);
