/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane_state.h"
#include "stats_map.h"

static int sum_counts(struct dataplane *dp, const char *map, uint32_t n, struct stats_count *ret)
{
	int fd = pinned_map_fd(dp, map), err;
	uint32_t i;

	if (fd < 0)
		return fd;
	for (i = 0; i < n; i++) {
		uint64_t words[2];

		err = pinned_map_sum(fd, &i, sizeof(*ret), words);
		if (err)
			return err;
		ret[i] = (struct stats_count) { .packets = words[0], .bytes = words[1] };
	}
	return 0;
}

int stats_map_drops(struct dataplane *dp, struct stats_count *ret)
{
	return sum_counts(dp, "stats_drop", DROP_REASON_COUNT, ret);
}

int stats_map_actions(struct dataplane *dp, struct stats_count *ret)
{
	return sum_counts(dp, "stats_action", STATS_ACTIONS, ret);
}
