/* SPDX-License-Identifier: BSD-2-Clause */
#include "vip_share.h"

#include "dataplane_state.h"
#include "vip_state.h"

void vip_share_follow(struct vip_map *m, struct vip_service *s, uint64_t now_ms)
{
	const int fd = pinned_map_fd(m->dp, "stats_backend");

	if (s->share_flipped_ms == s->flipped_ms)
		return;
	for (size_t i = 0; i < s->n_backends; i++) {
		struct stats_count sum = { 0 };

		if (pinned_map_sum(fd, &s->backends[i].id, sizeof(sum), (uint64_t *)&sum) == 0)
			s->backends[i].share_from = sum;
	}
	s->share_flipped_ms = s->flipped_ms;
	s->share_since_ms = now_ms;
}
