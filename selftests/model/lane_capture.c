/* SPDX-License-Identifier: BSD-2-Clause */
/* What a capture gets to see of drops. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "lane_part.h"

static int note(void *ctx, void *data, size_t bytes)
{
	struct lane *l = ctx;

	if (bytes != sizeof(l->captured))
		abort();
	memcpy(&l->captured, data, bytes);
	l->n_captured++;
	l->captures_seen++;
	return 0;
}

void lane_capture_open(struct lane *l)
{
	l->capture = lane_map_memory(l, "capture", sizeof(*l->capture));
	l->captures = ring_buffer__new(plane_map(&l->plane, "capture_ring"), note, l, NULL);
	if (!l->captures)
		abort();
}

void lane_capture_close(struct lane *l)
{
	ring_buffer__free(l->captures);
	lane_unmap(l->capture, sizeof(*l->capture));
}

void lane_capture_forget(struct lane *l)
{
	memset(l->capture, 0, sizeof(*l->capture));
}

void lane_capture_write(struct lane *l)
{
	const struct capture *c = &l->model.policy.capture;

	l->capture->reasons = c->reasons;
	l->capture->rate = c->rate;
	l->capture->until_ns = c->until_ns;
}

static bool is_as_dropped(const struct capture_packet *c, const struct model_packet *p)
{
	const struct model_frame *f = p->frame;
	uint32_t bytes = f->len < CAPTURE_BYTES ? f->len : CAPTURE_BYTES;

	return c->time_ns == f->now_ns && c->reason == p->reason &&
	       c->limit_class == p->capture_class && c->vip_id == (p->vip ? p->vip->id : 0) &&
	       c->ifindex == f->ifindex && c->frame_bytes == f->len && c->bytes == bytes &&
	       c->tag_proto == 0 && memcmp(c->data, f->bytes, bytes) == 0;
}

bool lane_capture_ran(struct lane *l, const struct model_packet *p)
{
	l->n_captured = 0;
	if (ring_buffer__consume(l->captures) < 0)
		abort();
	if (l->n_captured == p->captured && (!p->captured || is_as_dropped(&l->captured, p)))
		return true;
	snprintf(l->said, sizeof(l->said),
		 "captured %u times, by the model %d; reason %u, %u of %u bytes", l->n_captured,
		 p->captured, l->captured.reason, l->captured.bytes, l->captured.frame_bytes);
	return false;
}

bool lane_capture_check(struct lane *l)
{
	const struct model_capture_state *want = &l->model.state.capture;

	if (want->missed == l->capture->missed &&
	    memcmp(want->tat, l->capture->tat, sizeof(want->tat)) == 0)
		return true;
	snprintf(l->said, sizeof(l->said), "capture: the model missed %llu, the map %llu",
		 (unsigned long long)want->missed, (unsigned long long)l->capture->missed);
	return false;
}
