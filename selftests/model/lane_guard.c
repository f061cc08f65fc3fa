/* SPDX-License-Identifier: BSD-2-Clause */
/* Guards: their map, what only the kernel knows of cookies, and the replies that a trace answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "bpf/cookie_check.h"
#include "cookie_check.skel.h"
#include "lane_part.h"

static bool is_cookie(void *ctx, const struct model_cookie *cookie)
{
	const struct lane *l = ctx;
	struct cookie_question question = { .flow = cookie->flow,
					    .seq = cookie->seq,
					    .ack = cookie->ack,
					    .ipv6 = cookie->ipv6,
					    .listener = cookie->listener };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = &question, .data_size_in = sizeof(question),
		    .repeat = 1);

	if (bpf_prog_test_run_opts(bpf_program__fd(l->cookies->progs.cookie_check), &opts) ||
	    (opts.retval != 1 && opts.retval != 2)) /* XDP_DROP, XDP_PASS */
		abort();
	return opts.retval == 2;
}

void lane_guard_open(struct lane *l)
{
	l->cookies = cookie_check__open_and_load();
	if (!l->cookies)
		abort();
	l->guards = lane_map_memory(l, "guards", MODEL_VIPS * sizeof(*l->guards));
	l->model.kernel.is_cookie = is_cookie;
	l->model.kernel.ctx = l;
}

void lane_guard_close(struct lane *l)
{
	lane_unmap(l->guards, MODEL_VIPS * sizeof(*l->guards));
	cookie_check__destroy(l->cookies);
}

void lane_guard_forget(struct lane *l)
{
	memset(l->guards, 0, MODEL_VIPS * sizeof(*l->guards));
	*l->plane.guard_until_ns = 0;
	l->n_reply = 0;
}

/* A guard of another mode begins anew, as when the agent applies it. */
void lane_guard_write(struct lane *l)
{
	uint32_t i;

	for (i = 0; i < MODEL_VIPS; i++) {
		struct guard next = l->model.policy.guard[i];
		const struct guard *now = &l->guards[i];

		if (next.mode != now->mode)
			l->model.state.guard[i].until_ns = 0;
		next.window_ns = now->window_ns;
		next.syns = now->syns;
		next.until_ns = next.mode == now->mode ? now->until_ns : 0;
		next.turns = now->turns;
		l->guards[i] = next;
	}
}

/* A reply that agrees: is its cookie one, and what may answer it? */
bool lane_guard_replied(struct lane *l, const struct model_packet *p)
{
	struct lane_reply *r = &l->reply[l->n_reply % LANE_REPLIES];

	if (!is_cookie(l, &p->guard.made)) {
		snprintf(l->said, sizeof(l->said),
			 "what is replied is none of the kernel's cookies");
		return false;
	}
	if (p->frame->len > sizeof(r->bytes))
		return true;
	r->made = p->guard.made;
	r->l3_at = p->l2_bytes;
	r->len = p->frame->len;
	memcpy(r->bytes, p->frame->bytes, r->len);
	l->n_reply++;
	return true;
}

bool lane_guard_check(struct lane *l)
{
	uint32_t i;

	for (i = 0; i < MODEL_VIPS; i++) {
		const struct model_guard_state *want = &l->model.state.guard[i];
		const struct guard *found = &l->guards[i];

		if (want->window_ns == found->window_ns && want->syns == found->syns &&
		    want->until_ns == found->until_ns && want->turns == found->turns)
			continue;
		snprintf(
			l->said, sizeof(l->said),
			"guard %u: the model has %llu SYNs, on until %llu, %llu turns, the map %llu"
			" %llu %llu",
			i, (unsigned long long)want->syns, (unsigned long long)want->until_ns,
			(unsigned long long)want->turns, (unsigned long long)found->syns,
			(unsigned long long)found->until_ns, (unsigned long long)found->turns);
		return false;
	}
	return true;
}
