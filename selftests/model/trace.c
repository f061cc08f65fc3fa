/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace.h"

#include <string.h>

#define SECOND_NS 1000000000ULL

static void put_16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put_32(uint8_t *at, uint32_t value)
{
	put_16(at, value >> 16);
	put_16(at + 2, value);
}

static void pass_time(struct draw *d, struct lane_packet *p)
{
	uint32_t kind = draw(d, 1000);

	if (kind == 0)
		p->now_ns += draw(d, 86400) * SECOND_NS;
	else if (kind < 10)
		p->now_ns += draw_64(d) % (10 * SECOND_NS);
	else if (kind < 400)
		p->now_ns += draw_magnitude(d, 20);
	else if (kind < 410) /* from a CPU whose clock is behind */
		p->now_ns -= draw(d, 1000000);
}

/* The reply turned around once more, without options. */
static void turn_back(const struct lane_reply *r, struct frame *f)
{
	bool ipv6 = r->made.ipv6;
	uint32_t l4_at = r->l3_at + (ipv6 ? 40 : 20), address = ipv6 ? 16 : 4;
	uint8_t *ip = f->bytes + r->l3_at, *tcp = f->bytes + l4_at;
	uint8_t *from = ip + (ipv6 ? 8 : 12);

	memcpy(f->bytes, r->bytes, l4_at + 20);
	f->len = l4_at + 20;
	memcpy(from, r->made.flow.src.b + 16 - address, address);
	memcpy(from + address, r->made.flow.dst.b + 16 - address, address);
	put_16(ip + (ipv6 ? 4 : 2), ipv6 ? 20 : 40);
	memcpy(tcp, &r->made.flow.sport, 2);
	memcpy(tcp + 2, &r->made.flow.dport, 2);
	tcp[12] = 5 << 4;
}

/*
 * What a client answers, or somebody who knows nearly all of it. Not mutated: what a cookie is differs
 * from run to run, and a trace shall not.
 */
static void answer(struct draw *d, const struct lane *l, struct frame *f)
{
	uint32_t kept = l->n_reply < LANE_REPLIES ? l->n_reply : LANE_REPLIES;
	const struct lane_reply *r = &l->reply[(l->n_reply - 1 - draw(d, kept)) % LANE_REPLIES];
	/* A cookie of another minute, of another beginning, of another port. */
	uint32_t wrong = draw_one_in(d, 4) ? 1 + draw(d, 3) : 0;
	uint32_t ack = r->made.ack + (wrong == 1 ? 0x1000001 : 0);
	bool reset = !r->made.listener && draw(d, 2);
	uint8_t *tcp = f->bytes + r->l3_at + (r->made.ipv6 ? 40 : 20);

	turn_back(r, f);
	put_32(tcp + 4, (reset ? ack - 1 : r->made.seq) + (wrong == 2 ? 0x101 : 0));
	put_32(tcp + 8, reset ? 0 : ack);
	tcp[13] = reset ? 0x04 : draw_one_in(d, 8) ? 0x12 : 0x10;
	tcp[1] ^= wrong == 3;
}

void trace_next(struct draw *d, const struct lane *l, struct lane_packet *p)
{
	const struct model_nat_policy *nat = &l->model.policy.nat;

	pass_time(d, p);
	p->segments = 0;
	p->segment_bytes = 0;
	p->egress = false;
	if (draw_one_in(d, 8) && l->n_reply) {
		answer(d, l, &p->frame);
		return;
	}
	if (draw_one_in(d, 6) && l->n_sent) {
		trace_nat(d, l, &p->frame);
		if (draw_one_in(d, 8))
			frame_mutate(d, &p->frame);
		return;
	}
	if (draw_one_in(d, 10)) {
		p->segments = draw(d, draw(d, 2) ? 65 : 2);
		p->segment_bytes = 1 + draw(d, 1500);
	}
	frame_make(d, &p->frame);
	/* More of the family that is translated, where one is. */
	if (nat->is_on && p->frame.ipv6 != nat->ipv6 && draw(d, 2))
		frame_make(d, &p->frame);
	p->egress = draw_one_in(d, 4) && l->has_out;
	if (p->egress && draw(d, 16)) /* or on its way through */
		frame_turn(&p->frame);
	if (!p->egress && nat->is_on && draw(d, 4))
		trace_nat_aim(d, l, &p->frame);
	if (draw_one_in(d, 3))
		frame_mutate(d, &p->frame);
}
