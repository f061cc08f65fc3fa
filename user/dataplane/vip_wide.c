/* SPDX-License-Identifier: BSD-2-Clause */
#include "vip_wide.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "conf/vip_compile.h"
#include "dataplane_state.h"

/* Is asked for only where the configuration was not checked. */
static void on_fault(const struct vip_fault *f, void *ctx)
{
	(void)f, (void)ctx;
}

static int by_length(const void *x, const void *y)
{
	const struct vip_wide_key *a = x, *b = y;

	return (a->len_bits > b->len_bits) - (a->len_bits < b->len_bits);
}

static int by_key(const void *x, const void *y)
{
	return memcmp(x, y, sizeof(struct vip_wide_key));
}

/* Behind one another are a prefix and those inside it: the other way round it is the longest first. */
static int put_records(int fd, const struct vip_compiled *c)
{
	for (size_t i = c->n; i-- > 0;)
		if (bpf_map_update_elem(fd, &c->entry[i].key, &c->entry[i].record, BPF_ANY))
			return -errno;
	return 0;
}

static int remove_others(int fd, const struct vip_compiled *c)
{
	CLEANUP_FREE struct vip_wide_key *wanted = calloc(c->n + 1, sizeof(*wanted)), *keys = NULL;
	CLEANUP_FREE struct vip_wide *records = NULL;
	size_t n = 0;
	int err;

	if (!wanted)
		return -ENOMEM;
	err = pinned_map_read(fd, (void **)&keys, (void **)&records, &n);
	if (err)
		return err;
	for (size_t i = 0; i < c->n; i++)
		wanted[i] = c->entry[i].key;
	qsort(wanted, c->n, sizeof(*wanted), by_key);
	if (n)
		qsort(keys, n, sizeof(*keys), by_length);
	for (size_t i = 0; i < n; i++)
		if (!bsearch(&keys[i], wanted, c->n, sizeof(*wanted), by_key) &&
		    bpf_map_delete_elem(fd, &keys[i]) && errno != ENOENT)
			return -errno;
	return 0;
}

int vip_wide_apply(struct dataplane *dp, const struct conf *conf)
{
	CLEANUP(vip_compiled_clear) struct vip_compiled compiled = { 0 };
	struct vip_state *state = pinned_map_mem(dp, "vip_state");
	const int fd = pinned_map_fd(dp, "vip_wide");
	int err = state && fd >= 0 ? 0 : -ENOENT;

	if (!err)
		err = vip_compile(conf, NULL, &compiled, on_fault, NULL);
	if (err)
		return err;
	/* Packets ask from now on, and not before the records that they find are gone. */
	if (compiled.has_wide)
		__atomic_store_n(&state->has_wide, 1, __ATOMIC_RELEASE);
	err = put_records(fd, &compiled);
	if (!err)
		err = remove_others(fd, &compiled);
	if (!err)
		__atomic_store_n(&state->has_wide, compiled.has_wide, __ATOMIC_RELEASE);
	return err;
}
