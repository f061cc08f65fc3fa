/* SPDX-License-Identifier: BSD-2-Clause */
/* The way out, which has the maps of the way in, and the credit of answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "lane_part.h"

void lane_egress_open(struct lane *l, const struct plane_settings *settings)
{
	/* Loading takes a tenth of a second, and a bug of the way in shows there. */
	l->has_out = !settings->planted || settings->planted >= PLANE_PLANTED_EGRESS;
	if (l->has_out)
		plane_open_egress(&l->out, &l->plane, settings);
	l->response = lane_map_memory(l, "response_state", sizeof(*l->response));
}

void lane_egress_close(struct lane *l)
{
	lane_unmap(l->response, sizeof(*l->response));
	if (l->has_out)
		plane_close(&l->out);
}

void lane_egress_forget(struct lane *l)
{
	int fd = plane_map(&l->plane, "response_credit");
	uint64_t nobody = 0;
	uint32_t i;

	for (i = 0; i < MODEL_CREDITS; i++) {
		if (bpf_map_update_elem(fd, &i, &nobody, BPF_ANY))
			abort();
	}
}

void lane_egress_write(struct lane *l)
{
	const struct model_response_policy *r = &l->model.policy.response;
	uint32_t i;

	lane_empty(l, "response_service");
	for (i = 0; i < r->n_service; i++)
		lane_put(l, "response_service", &r->service[i].key, &r->service[i].service);
	*l->response = r->state;
}

bool lane_egress_check(struct lane *l)
{
	int fd = plane_map(&l->plane, "response_credit");
	uint64_t found;
	uint32_t i;

	for (i = 0; i < MODEL_CREDITS; i++) {
		if (bpf_map_lookup_elem(fd, &i, &found))
			abort();
		if (found == l->model.state.credit[i])
			continue;
		snprintf(l->said, sizeof(l->said), "credit %u: the model has %#llx, the map %#llx",
			 i, (unsigned long long)l->model.state.credit[i],
			 (unsigned long long)found);
		return false;
	}
	return true;
}
