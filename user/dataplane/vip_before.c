/* SPDX-License-Identifier: BSD-2-Clause */
#include "vip_before.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "dataplane_state.h"

static int fill(int fd, const struct vip_before *slots, uint32_t n)
{
	CLEANUP_FREE uint32_t *keys = calloc(n, sizeof(*keys));
	uint32_t count = n;

	if (!keys)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		keys[i] = i;
	return bpf_map_update_batch(fd, keys, slots, &count, NULL) ? -errno : 0;
}

int vip_before_put(struct dataplane *dp, uint32_t vip_id, const struct vip_before *slots,
		   uint32_t n)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP);
	struct vip_window *windows = pinned_map_mem(dp, "vip_window");
	const struct pinned_map *map = pinned_map_find(dp, "vip_before");
	CLEANUP_FD int fd = -1;
	int err;

	if (!windows || !map || map->fd < 0)
		return -ENOENT;
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "vip_ring_before", sizeof(uint32_t), sizeof(*slots),
			    n, &opts);
	if (fd < 0)
		return -errno;
	err = fill(fd, slots, n);
	if (!err && bpf_map_update_elem(map->fd, &vip_id, &fd, BPF_ANY))
		err = -errno;
	if (!err)
		__atomic_store_n(&windows[vip_id].before_size, n, __ATOMIC_RELEASE);
	return err;
}

void vip_before_forget(struct dataplane *dp, uint32_t vip_id)
{
	const int fd = pinned_map_fd(dp, "vip_before");

	if (fd >= 0)
		bpf_map_delete_elem(fd, &vip_id); /* or there was none */
}
