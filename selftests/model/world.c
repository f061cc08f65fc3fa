/* SPDX-License-Identifier: BSD-2-Clause */
#include "world_part.h"

#include <string.h>

#include "sluice/algo/gcra_rate.h"

#define SECOND_NS 1000000000ULL

static const uint16_t ports[] = { 0, 53, 80, 123, 443, 40000, 40001 };

static uint16_t port_of(struct draw *d, uint32_t first, uint32_t n)
{
	uint32_t port = draw_one_in(d, 3) ? ports[draw(d, 7)] : ports[first + draw(d, n)];

	if (draw_one_in(d, 40))
		port = draw(d, 65536);
	return __builtin_bswap16((uint16_t)port);
}

uint16_t world_sport(struct draw *d)
{
	return port_of(d, 5, 1);
}

uint16_t world_dport(struct draw *d)
{
	return port_of(d, 1, 2);
}

static struct addr v4(uint8_t a, uint8_t b, uint8_t c, uint8_t e)
{
	return (struct addr) { .b = { [10] = 0xff, [11] = 0xff, [12] = a, b, c, e } };
}

/* The source that is met most. */
static struct addr hot(bool ipv6)
{
	return ipv6 ? (struct addr) { .b = { 0x20, 0x01, 0x0d, 0xb8 } } : v4(10, 1, 2, 1);
}

/* 10.0-1.0-3.x and 2001:db8:x:x::, of few values each, and one of them more often than others. */
struct addr world_source(struct draw *d, bool ipv6)
{
	static const uint8_t bytes[] = { 0, 1, 0x80, 0xff };
	struct addr a = { .b = { 0x20, 0x01, 0x0d, 0xb8 } };
	uint64_t low = draw_64(d);
	int i;

	if (draw_one_in(d, 4))
		return hot(ipv6);
	if (!ipv6)
		return v4(10, (uint8_t)draw(d, 2), (uint8_t)draw(d, 4), bytes[draw(d, 4)]);
	for (i = 4; i < 8; i++)
		a.b[i] = bytes[draw(d, i == 4 ? 1 : 3)];
	memcpy(a.b + 8, &low, 8);
	return a;
}

struct addr world_destination(struct draw *d, bool ipv6)
{
	uint8_t last = (uint8_t)(10 + (draw(d, 2) ? draw(d, 3) : 0));

	if (!ipv6)
		return v4(192, 0, 2, last);
	return (struct addr) { .b = { 0x20, 0x01, 0x0d, 0xb8, 0, 2, [15] = last } };
}

struct addr world_mask(struct addr a, uint32_t len_bits)
{
	uint32_t bit;

	for (bit = len_bits; bit < 128; bit++)
		a.b[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return a;
}

/* Mostly near the unit; any length at times. */
static struct prefix prefix_of(struct draw *d)
{
	bool ipv6 = draw(d, 2);
	uint32_t whole = ipv6 ? 64 : 32, len = whole - draw(d, draw_one_in(d, 8) ? whole + 1 : 18);
	struct prefix p = { .len_bits = ipv6 ? len : 96 + len };

	p.addr = world_mask(world_source(d, ipv6), p.len_bits);
	return p;
}

static void lists(struct draw *d, struct model_policy *w)
{
	uint32_t i;

	w->n_allow = draw(d, 3);
	w->n_deny = draw(d, 5);
	w->n_group = draw(d, 12);
	for (i = 0; i < w->n_allow; i++)
		w->allow[i] = prefix_of(d);
	for (i = 0; i < w->n_deny; i++)
		w->deny[i] = prefix_of(d);
	for (i = 0; i < w->n_group; i++)
		w->group[i] =
			(struct model_group) { prefix_of(d), (uint8_t)draw(d, MODEL_CLASSES) };
}

/* Over, about to end, or for long. */
static uint64_t until(struct draw *d, uint64_t now_ns)
{
	return draw_one_in(d, 4) ? now_ns - 1 : now_ns + draw_magnitude(d, 48);
}

static void source_verdict(struct draw *d, uint64_t now_ns, struct model_source_verdict *v)
{
	bool ipv6 = draw(d, 2), wide = draw(d, 2);

	memset(v, 0, sizeof(*v));
	v->prefix.len_bits = ipv6 ? (wide ? 48 : 64) : (wide ? 120 : 128);
	v->prefix.addr = world_mask(world_source(d, ipv6), v->prefix.len_bits);
	v->action = (uint8_t)draw(d, 3);
	v->until_ns = until(d, now_ns);
}

static void flow_verdict(struct draw *d, uint64_t now_ns, struct model_flow_verdict *v)
{
	static const uint8_t protos[] = { 6, 17, 6, 17, 47, 1, 58 };
	bool ipv6 = draw(d, 2);

	memset(v, 0, sizeof(*v));
	v->flow.src = world_source(d, ipv6);
	v->flow.dst = world_destination(d, ipv6);
	v->flow.proto = protos[draw(d, 7)];
	if (v->flow.proto == 6 || v->flow.proto == 17) {
		v->flow.sport = world_sport(d);
		v->flow.dport = world_dport(d);
	}
	if (ipv6) /* whose low half packets have, too */
		memset(v->flow.src.b + 8, 0, 8);
	if (draw(d, 2)) {
		v->flow.src = hot(ipv6);
		v->flow.dst.b[15] = 10;
	}
	v->action = (uint8_t)draw(d, 3);
	v->until_ns = until(d, now_ns);
}

static bool has_prefix(const struct model_policy *w, uint32_t n, const struct prefix *p)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		if (memcmp(&w->source_verdict[i].prefix, p, sizeof(*p)) == 0)
			return true;
	}
	return false;
}

static bool has_flow(const struct model_policy *w, uint32_t n, const struct flow_key *flow)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		if (memcmp(&w->flow_verdict[i].flow, flow, sizeof(*flow)) == 0)
			return true;
	}
	return false;
}

void world_verdicts(struct draw *d, uint64_t now_ns, struct model_policy *w)
{
	uint32_t n = draw(d, MODEL_VERDICTS);

	for (w->n_source_verdict = 0; n; n--) {
		struct model_source_verdict *v = &w->source_verdict[w->n_source_verdict];

		source_verdict(d, now_ns, v);
		w->n_source_verdict += !has_prefix(w, w->n_source_verdict, &v->prefix);
	}
	n = draw(d, MODEL_VERDICTS);
	for (w->n_flow_verdict = 0; n; n--) {
		struct model_flow_verdict *v = &w->flow_verdict[w->n_flow_verdict];

		flow_verdict(d, now_ns, v);
		w->n_flow_verdict += !has_flow(w, w->n_flow_verdict, &v->flow);
	}
}

/* From one a second to millions, of any burst. */
static void rate_of(struct draw *d, uint32_t unit, struct gcra_rate *ret)
{
	uint64_t scale = unit == LIMIT_BYTES ? 100 : 1;
	uint32_t few = unit == LIMIT_CONNECTIONS ? 3 : 1;

	while (gcra_rate_set(ret, scale * (1 + draw_magnitude(d, 24 / few)), SECOND_NS,
			     scale * (1 + draw_magnitude(d, 10 / few))))
		;
}

void world_rates(struct draw *d, struct limit_rates *r)
{
	uint32_t unit, limited = draw(d, 2) ? 1U << draw(d, 3) : 1 + draw(d, 7);

	memset(r, 0, sizeof(*r));
	r->concurrent = draw(d, 2) ? 1 + draw(d, 2) : 0;
	r->flags = (draw_one_in(d, 4) ? LIMIT_DRY_RUN : 0) |
		   (draw_one_in(d, 4) ? LIMIT_PER_PREFIX : 0) |
		   (draw_one_in(d, 3) ? LIMIT_HAS_TOTAL : 0);
	for (unit = 0; unit < LIMIT_UNITS; unit++) {
		if (limited >> unit & 1)
			rate_of(d, unit, &r->unit[unit]);
		if ((r->flags & LIMIT_HAS_TOTAL) && !draw_one_in(d, 3))
			rate_of(d, unit, &r->total[unit]);
	}
}

struct limit_set_entry world_set_entry(struct draw *d)
{
	struct limit_set_entry e = { { 0 } };
	uint64_t bits = draw_64(d);

	e.limit_class[0] = bits & 3 ? bits >> 8 & 7 : 0;
	e.limit_class[1] = (bits >> 2 & 3) == 0 ? bits >> 12 & 7 : 0;
	e.limit_class[2] = (bits >> 4 & 3) == 0 ? bits >> 16 & 7 : 0;
	return e;
}

static void limits(struct draw *d, struct model_policy *w)
{
	uint32_t i, k;

	for (i = 1; i < MODEL_CLASSES; i++) {
		struct limit_class *c = &w->class[i];

		memset(c, 0, sizeof(*c));
		if (draw_one_in(d, 5))
			continue; /* not configured */
		c->row_bits = 1 + draw(d, 8);
		c->row_first = i * MODEL_ROW_CELLS;
		c->active = draw(d, 2);
		world_rates(d, &c->rates[c->active]);
	}
	for (i = 0; i < MODEL_CLASSES; i++) {
		for (k = 0; k < LIMIT_SERVICES; k++) {
			w->set[i][k] = world_set_entry(d);
		}
	}
}

void world_row_key(struct draw *d, struct limit_row_key *key)
{
	uint32_t row, k;

	for (row = 0; row < 2; row++) {
		for (k = 0; k < LIMIT_ROW_KEY_WORDS; k++)
			key->row[row][k] = draw_64(d);
	}
}

static void kinds_and_ports(struct draw *d, struct model_policy *w)
{
	uint32_t i, k;

	memset(&w->state, 0, sizeof(w->state));
	for (i = 0; i < LIMIT_ROW_KEYS; i++)
		world_row_key(d, &w->state.key[i]);
	for (i = 1; i < LIMIT_KINDS; i++)
		w->state.kind_class[i] = (uint8_t)(draw_one_in(d, 3) ? draw(d, MODEL_CLASSES) : 0);
	world_row_key(d, &w->state.concurrent_key);
	w->state.active_key = draw(d, 2);
	w->state.charge_both = draw_one_in(d, 4);
	w->state.has_ports = draw(d, 2);
	w->state.has_egress = draw(d, 4) != 0;
	for (i = 0; i < 7; i++) {
		for (k = 0; k < LIMIT_PORT_TABLES; k++)
			w->ports[k].service[ports[i]] = (uint8_t)draw(d, 256);
	}
	w->amplifier.port[0] = 1ULL << 53;
	w->amplifier.port[123 / 64] = draw_64(d);
}

void world_backend(struct draw *d, struct backend *b)
{
	static const uint16_t mtus[] = { 60, 100, 576, 1500, 9000 };
	static const uint16_t sizes[] = { 0, 1, 536, 1400, 1459, 0xffff };
	uint64_t mac = draw_64(d);

	memset(b, 0, sizeof(*b));
	b->ifindex = draw(d, 2) ? 1 : 99;
	b->mtu = mtus[draw(d, 5)];
	b->mss = sizes[draw(d, 6)];
	b->flags = draw_one_in(d, 8) ? 0 : BACKEND_READY;
	b->flags |= draw_one_in(d, 6) ? BACKEND_DEAD : 0;
	b->generation = draw(d, 3);
	b->mode = (uint8_t)draw(d, 3);
	b->addr = world_source(d, draw(d, 2));
	b->source = world_source(d, draw(d, 2));
	b->port = (uint16_t)draw(d, 65536);
	memcpy(b->dst_mac, &mac, 6);
	memcpy(b->src_mac, (const char *)&mac + 2, 6);
}

/* In a window, or one that is over, or nothing changed: all slots of a ring alike, or each its own. */
static void slots(struct draw *d, struct vip_slot ring[MODEL_RING])
{
	static const uint32_t words[] = { 0, 0, VIP_BEFORE_NONE, VIP_BEFORE_OVER };
	bool is_steady = draw(d, 2);
	uint32_t i;

	for (i = 0; i < MODEL_RING; i++) {
		ring[i].backend = draw_one_in(d, 16) ? 0 : draw(d, MODEL_BACKENDS + 1);
		ring[i].before = 0;
		if (!is_steady)
			ring[i].before =
				draw_one_in(d, 3) ? words[draw(d, 4)] : 1 + draw(d, MODEL_BACKENDS);
	}
}

/* The agent's next ring: what slots were before the window stays, or it is over. */
void world_ring(struct draw *d, struct model_policy *w)
{
	struct vip_slot *ring = w->ring[1 + draw(d, MODEL_VIPS - 1)][draw(d, 2)];
	bool is_over = draw_one_in(d, 3);
	uint32_t i;

	for (i = 0; i < MODEL_RING; i++) {
		if (is_over && ring[i].before)
			ring[i].before = VIP_BEFORE_OVER;
		else if (draw_one_in(d, 3))
			ring[i].backend = draw(d, MODEL_BACKENDS);
	}
}

static void vips(struct draw *d, struct model_policy *w)
{
	static const uint32_t sizes[] = { 1, 2, 13, MODEL_RING };
	uint32_t i, k;

	for (i = 1; i < MODEL_BACKENDS; i++)
		world_backend(d, &w->backend[i]);
	for (i = 0; i < MODEL_VIPS * 2; i++)
		slots(d, w->ring[i / 2][i % 2]);
	for (w->n_vip = 0, i = draw_one_in(d, 6) ? 0
			       : draw(d, 2)	 ? MODEL_VIP_KEYS
						 : draw(d, MODEL_VIP_KEYS);
	     i; i--) {
		struct vip_key key = { .addr = world_destination(d, draw(d, 2)),
				       .port = world_dport(d),
				       .proto = draw(d, 2) ? 6 : 17,
				       .wide = (uint8_t)(draw_one_in(d, 3) ? 1 + draw(d, 255)
									   : 0) };

		for (k = 0; k < w->n_vip && memcmp(&w->vip_key[k], &key, sizeof(key)) != 0; k++)
			;
		if (k < w->n_vip)
			continue;
		w->vip_key[k] = key;
		w->vip[k] = (struct vip) {
			.id = 1 + draw(d, MODEL_VIPS - 1),
			.ring = draw(d, 2),
			.ring_size = sizes[draw(d, 4)],
			.service = (uint16_t)draw(d, LIMIT_SERVICES),
			.flags = (uint16_t)((key.proto == 17 && draw(d, 2) ? VIP_QUIC : 0) |
					    (draw_one_in(d, 4) ? VIP_CLIENT : 0) |
					    (draw(d, 3) ? VIP_ECHO : 0)),
			.hash_seed = { draw_64(d), draw_64(d) }
		};
		w->n_vip++;
	}
}

/* Of a vip, of none that there is, or nobody's. */
static struct vip_key wide_target(struct draw *d, const struct model_policy *w)
{
	if (!w->n_vip || draw_one_in(d, 4))
		return (struct vip_key) { .wide = 1 };
	return draw_one_in(d, 6) ? (struct vip_key) { 0 } : w->vip_key[draw(d, w->n_vip)];
}

/* Few spans or as many as fit, of which most end at ports that packets have. */
static void wide_spans(struct draw *d, const struct model_policy *w, struct vip_wide *ret)
{
	uint32_t next = draw(d, 60), n = draw_one_in(d, 8) ? VIP_SPANS_MAX : draw(d, 5);

	memset(ret, 0, sizeof(*ret));
	ret->fragments = wide_target(d, w);
	for (; ret->n < n && next < 65536; ret->n++) {
		struct vip_span *s = &ret->span[ret->n];
		uint32_t last = next + draw(d, draw_one_in(d, 3) ? 40000 : 60);

		s->first = (uint16_t)next;
		s->last = (uint16_t)(last < 65535 ? last : 65535);
		s->key = wide_target(d, w);
		next = last + 1 + draw(d, 20);
	}
}

void world_wide(struct draw *d, struct model_policy *w)
{
	uint32_t i, k;

	w->has_wide = !draw_one_in(d, 4);
	for (w->n_wide = 0, i = draw(d, 4) ? MODEL_WIDE : draw(d, MODEL_WIDE); i; i--) {
		bool ipv6 = draw(d, 2);
		uint32_t len = draw(d, 4) ? 128 : ipv6 ? 16 + draw(d, 112) : 96 + 8 + draw(d, 24);
		struct vip_wide_key key = { .len_bits = VIP_WIDE_PROTO_BITS + len,
					    .proto = draw(d, 2) ? 6 : 17 };

		key.addr = world_mask(world_destination(d, ipv6), len);
		for (k = 0; k < w->n_wide && memcmp(&w->wide_key[k], &key, sizeof(key)) != 0; k++)
			;
		if (k < w->n_wide)
			continue;
		w->wide_key[w->n_wide] = key;
		wide_spans(d, w, &w->wide[w->n_wide++]);
	}
}

void world_make(struct draw *d, uint64_t now_ns, struct model_policy *ret)
{
	const struct model_policy fixed = { .unknown_l4_drop = ret->unknown_l4_drop,
					    .echo_per_s = ret->echo_per_s,
					    .too_big_per_s = ret->too_big_per_s,
					    .has_ciphers = ret->has_ciphers };

	*ret = fixed;
	lists(d, ret);
	world_verdicts(d, now_ns, ret);
	limits(d, ret);
	kinds_and_ports(d, ret);
	vips(d, ret);
	world_nat_make(d, ret);
	world_wide(d, ret);
	world_quic_make(d, ret);
	world_guard_make(d, ret);
	world_nat_quiet(d, ret);
	world_response_make(d, ret);
	world_capture_make(d, now_ns, ret);
}
