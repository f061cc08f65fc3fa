/* SPDX-License-Identifier: BSD-2-Clause */
/* Noted flows: forgotten before a round, and the same as the model's after it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "lane_part.h"

_Static_assert(MODEL_FLOWS == PLANE_FLOWS, "the model's are as many as the map's");

void lane_flow_open(struct lane *l)
{
	l->windows = lane_map_memory(l, "vip_window", MODEL_VIPS * sizeof(*l->windows));
}

void lane_flow_close(struct lane *l)
{
	lane_unmap(l->windows, MODEL_VIPS * sizeof(*l->windows));
}

void lane_flow_forget(struct lane *l)
{
	lane_empty(l, "vip_flow");
	memset(l->windows, 0, MODEL_VIPS * sizeof(*l->windows));
}

bool lane_flow_check(struct lane *l)
{
	const struct model_flow_state *s = &l->model.state.flow;
	int fd = plane_map(&l->plane, "vip_flow");
	struct flow_key key, *at = NULL;
	struct vip_flow found;
	uint32_t i, n = 0;

	for (i = 0; i < s->n_flow; i++) {
		const struct vip_flow *want = &s->flow[i].note;

		if (bpf_map_lookup_elem(fd, &s->flow[i].key, &found)) {
			snprintf(l->said, sizeof(l->said), "flow %u is not noted", i);
			return false;
		}
		if (memcmp(want, &found, sizeof(found)) != 0) {
			snprintf(l->said, sizeof(l->said),
				 "flow %u: the model has backend %u, seen %llu, the map %u %llu", i,
				 want->backend, (unsigned long long)want->seen_ns, found.backend,
				 (unsigned long long)found.seen_ns);
			return false;
		}
	}
	for (; bpf_map_get_next_key(fd, at, &key) == 0; at = &key)
		n++;
	if (n != s->n_flow)
		snprintf(l->said, sizeof(l->said), "the model has %u flows, the map %u", s->n_flow,
			 n);
	return n == s->n_flow;
}
