/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs that hand a packet on by a tail call, after they gave it other contents. */
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "again.h"
#include "again.skel.h"
#include "fill.h"
#include "fill_vip.h"
#include "flows.h"
#include "flows.skel.h"
#include "subject.h"
#include "vary.skel.h"

static void put_behind(struct subject *s, int next_fd, int first_fd)
{
	uint32_t zero = 0;

	if (bpf_map_update_elem(next_fd, &zero, &s->prog_fd, BPF_ANY))
		fill_die(s->name);
	s->prog_fd = first_fd;
}

static void put_vary(struct subject *s)
{
	struct vary *vary = vary__open_and_load();

	if (!vary)
		fill_die("vary");
	vary->bss->vary_mask = s->sources - 1;
	put_behind(s, bpf_map__fd(vary->maps.vary_next), bpf_program__fd(vary->progs.vary));
}

static void put_again(struct subject *s)
{
	struct again *again = again__open_and_load();

	_Static_assert(sizeof(again->bss->again_frame) <= sizeof(s->packet.bytes), "part of it");
	if (!again)
		fill_die("again");
	memcpy(again->bss->again_frame, s->packet.bytes, sizeof(again->bss->again_frame));
	put_behind(s, bpf_map__fd(again->maps.again_next), bpf_program__fd(again->progs.again));
}

static void put_flows(struct subject *s)
{
	struct flows *flows = flows__open();
	const uint32_t words = s->packet.n / sizeof(__u64);
	struct flows_plan plan = {
		.words = words < FLOWS_WORDS_MAX ? words : FLOWS_WORDS_MAX,
		.bytes = s->packet.n,
		.grows = 1,
		.mask = s->flows ? s->flows - 1 : 0,
		.one_source = s->one_source,
		.vips = s->to_vips,
		.first_vip = FILL_VIPS_FIRST,
	};

	if (!flows)
		fill_die("flows");
	memcpy(plan.frame, s->packet.bytes, sizeof(plan.frame));
	memcpy((void *)&flows->rodata->flows_plan, &plan, sizeof(plan));
	if (flows__load(flows))
		fill_die("flows");
	put_behind(s, bpf_map__fd(flows->maps.flows_next), bpf_program__fd(flows->progs.flows));
}

void subject_put_front(struct subject *s)
{
	s->prog_fd = s->like ? subject_named(s->like)->own_fd : s->own_fd;
	if (s->sources)
		put_vary(s);
	if (s->again)
		put_again(s);
	if (s->front)
		put_flows(s);
}
