/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>

#include "dataplane_state.h"
#include "epoch.h"
#include "sluice/abi/client.h"

/* Release: who reads the new epoch finds what was written to other maps before. */
static int raise(uint32_t *epoch)
{
	__atomic_add_fetch(epoch, 1, __ATOMIC_RELEASE);
	return 0;
}

int epoch_raise_all(struct dataplane *dp)
{
	struct epochs *e = pinned_map_mem(dp, "epochs");

	return e ? raise(&e->all) : -ENOMEM;
}

int epoch_raise_source(struct dataplane *dp, const struct addr *source)
{
	struct epochs *e = pinned_map_mem(dp, "epochs");

	return e ? raise(&e->source[client_epoch_bucket(source)]) : -ENOMEM;
}
