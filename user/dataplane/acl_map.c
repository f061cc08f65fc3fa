/* SPDX-License-Identifier: BSD-2-Clause */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "acl_map.h"
#include "base/addr.h"
#include "base/cleanup.h"
#include "dataplane_state.h"
#include "epoch.h"

static int list_fd(struct dataplane *dp, enum acl_list list)
{
	return pinned_map_fd(dp, list == ACL_LIST_ALLOW ? "acl_allow" : "acl_deny");
}

static int put(int fd, const struct prefix *p, enum acl_origin origin)
{
	struct prefix key = { p->len_bits, addr_mask(&p->addr, p->len_bits) };
	struct acl_value value = { .origin = origin };

	return bpf_map_update_elem(fd, &key, &value, BPF_ANY) ? -errno : 0;
}

int acl_map_add(struct dataplane *dp, enum acl_list list, const struct prefix *p,
		enum acl_origin origin)
{
	int fd = list_fd(dp, list), err;

	if (fd < 0 || p->len_bits > 128)
		return fd < 0 ? fd : -EINVAL;
	err = put(fd, p, origin);
	return err ? err : epoch_raise_all(dp);
}

int acl_map_del(struct dataplane *dp, enum acl_list list, const struct prefix *p)
{
	struct prefix key = { p->len_bits, addr_mask(&p->addr, p->len_bits) };
	int fd = list_fd(dp, list);

	if (fd < 0)
		return fd;
	if (bpf_map_delete_elem(fd, &key))
		return -errno;
	return epoch_raise_all(dp);
}

static int by_prefix(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct prefix));
}

static int remove_others(int fd, const struct prefix *sorted, size_t n)
{
	CLEANUP_FREE struct prefix *keys = NULL;
	CLEANUP_FREE void *values = NULL;
	size_t n_keys, i;
	int err = pinned_map_read(fd, (void **)&keys, &values, &n_keys);

	for (i = 0; !err && i < n_keys; i++) {
		if (n && bsearch(&keys[i], sorted, n, sizeof(*sorted), by_prefix))
			continue;
		if (bpf_map_delete_elem(fd, &keys[i]))
			err = -errno;
	}
	return err;
}

int acl_map_apply(struct dataplane *dp, enum acl_list list, const struct prefix *want, size_t n,
		  enum acl_origin origin)
{
	CLEANUP_FREE struct prefix *sorted = calloc(n + 1, sizeof(*sorted));
	int fd = list_fd(dp, list), err = 0, raised;
	size_t i;

	if (fd < 0 || !sorted)
		return fd < 0 ? fd : -ENOMEM;
	for (i = 0; !err && i < n; i++) {
		sorted[i].len_bits = want[i].len_bits;
		sorted[i].addr = addr_mask(&want[i].addr, want[i].len_bits);
		err = put(fd, &want[i], origin);
	}
	if (!err) {
		qsort(sorted, n, sizeof(*sorted), by_prefix);
		err = remove_others(fd, sorted, n);
	}
	raised = epoch_raise_all(dp); /* after a failure too: part of it is in force */
	return err ? err : raised;
}

bool acl_map_allows(struct dataplane *dp, const struct addr *a)
{
	struct prefix key = { 128, *a };
	struct acl_value value;
	int fd = list_fd(dp, ACL_LIST_ALLOW);

	return fd >= 0 && bpf_map_lookup_elem(fd, &key, &value) == 0;
}

int acl_map_each(struct dataplane *dp, enum acl_list list,
		 int (*fn)(const struct prefix *p, const struct acl_value *v, void *ctx), void *ctx)
{
	CLEANUP_FREE struct prefix *keys = NULL;
	CLEANUP_FREE struct acl_value *values = NULL;
	int fd = list_fd(dp, list), err;
	size_t n, i;

	if (fd < 0)
		return fd;
	err = pinned_map_read(fd, (void **)&keys, (void **)&values, &n);
	for (i = 0; !err && i < n; i++)
		err = fn(&keys[i], &values[i], ctx);
	return err;
}
