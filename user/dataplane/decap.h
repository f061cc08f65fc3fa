/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xdp_decap on the devices of a backend: a program of its own, beside the packet path and without
 * it. Each change loads it with fresh maps and updates the pinned links to it, so that no packet
 * meets half a change, and what was there stays when one fails. Counters begin anew with it.
 */
#pragma once

#include <stdint.h>

#include "base/errmsg.h"
#include "conf/conf_settings_kernel.h"
#include "sluice/abi/decap.h"

struct decap;

/*
 * Bring devices to conf, whose links are in the bpffs directory dir_fd; *d is NULL at first, and
 * again when there are no devices. Devices that are missing or refuse it are named in
 * decap_warning(), and tried again at the next call. Negative errno and *err, nothing changed: the
 * program could not be loaded.
 */
int decap_apply(int dir_fd, const struct conf_decap *conf, struct decap **d, struct errmsg *err);
/* Links stay. */
void decap_close(struct decap *d);
/* "": all devices have it. */
const char *decap_warning(const struct decap *d);
int decap_counts(const struct decap *d, uint64_t ret[DECAP_COUNT_COUNT]);
