/* SPDX-License-Identifier: BSD-2-Clause */
#include "frame.h"

#include <string.h>

#include "world.h"

static uint8_t *push(struct frame *f, uint32_t bytes)
{
	uint8_t *at = f->bytes + f->len;

	if (f->len + bytes > FRAME_MAX)
		bytes = FRAME_MAX - f->len;
	memset(at, 0, bytes);
	f->len += bytes;
	return at;
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint8_t proto_of(struct draw *d, bool ipv6)
{
	static const uint8_t any[] = { 47, 50, 132, 1, 58, 59, 4, 41 };
	uint32_t n = draw(d, 20);

	if (n < 9)
		return 6;
	if (n < 15)
		return 17;
	if (n < 18)
		return ipv6 ? 58 : 1;
	return any[draw(d, 8)];
}

/* Some that stacks send, in orders that none does, and at times broken ones. */
static uint32_t tcp_options(struct draw *d, uint8_t *at, uint32_t most)
{
	static const uint8_t known[][11] = { { 4, 2, 4, 5, 0xb4 },
					     { 4, 2, 4, 2, 0x18 },
					     { 2, 4, 2 },
					     { 3, 3, 3, 7 },
					     { 10, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0 },
					     { 1, 1 },
					     { 1, 1 },
					     { 4, 34, 4, 9, 9 } };
	uint32_t i, n = draw(d, 8), bytes = 0;

	for (i = 0; i < n; i++) {
		const uint8_t *option = known[draw_one_in(d, 3) ? draw(d, 2) : draw(d, 8)];

		if (bytes + option[0] > most)
			break;
		memcpy(at + bytes, option + 1, option[0]);
		if (option[1] == 3)
			at[bytes + 2] = (uint8_t)draw(d, 20);
		if (option[1] != 1 && draw_one_in(d, 16))
			at[bytes + 1] = (uint8_t)draw(d, 12);
		bytes += option[0];
	}
	while (bytes % 4)
		at[bytes++] = (uint8_t)draw(d, 2);
	return bytes;
}

static void tcp(struct draw *d, struct frame *f)
{
	static const uint8_t flags[] = { 0x02, 0x02, 0x10, 0x12, 0x18, 0x04, 0x11 };
	uint8_t known[40] = { 0 };
	uint32_t options = draw_one_in(d, 4)   ? draw(d, 11)
			   : draw_one_in(d, 2) ? tcp_options(d, known, 40) / 4
					       : 0;
	uint8_t *at = push(f, 20 + 4 * options);
	uint16_t sport = world_sport(d), dport = world_dport(d);
	uint64_t numbers = draw_64(d), window = draw_64(d);

	memcpy(at + 4, &numbers, 8);
	memcpy(at + 14, &window, 6);
	memcpy(at + 20, known, 4 * options);

	f->ports_at[0] = (uint32_t)(at - f->bytes);
	memcpy(at, &sport, 2);
	memcpy(at + 2, &dport, 2);
	at[12] = (uint8_t)((5 + options) << 4);
	at[13] = flags[draw(d, 7)];
}

static void udp(struct draw *d, struct frame *f, uint32_t payload_bytes)
{
	uint8_t *at = push(f, 8);
	uint16_t sport = world_sport(d), dport = world_dport(d);

	f->ports_at[0] = (uint32_t)(at - f->bytes);
	memcpy(at, &sport, 2);
	memcpy(at + 2, &dport, 2);
	put16(at + 4, 8 + payload_bytes);
	put16(at + 6, draw(d, 2) ? draw(d, 65536) : 0);
}

/* A packet's network and transport header, as an error quotes them: 8 bytes of the latter, or so. */
static void quoted(struct draw *d, struct frame *f, bool ipv6, const struct addr *from)
{
	struct addr to = world_source(d, ipv6);
	uint8_t *ip = push(f, ipv6 ? 40 : 20), *l4, proto = draw(d, 2) ? 6 : 17;
	uint16_t sport = world_dport(d), dport = world_sport(d); /* it is an answer */

	f->ip_at[1] = (uint32_t)(ip - f->bytes);
	if (ipv6) {
		ip[0] = 0x60;
		ip[6] = proto;
		memcpy(ip + 8, from->b, 16);
		memcpy(ip + 24, to.b, 16);
		if (draw_one_in(d, 4)) {
			uint8_t *frag = push(f, 8);

			ip[6] = 44;
			frag[0] = proto;
			put16(frag + 2, draw(d, 3) ? 0 : draw(d, 65536));
		}
	} else {
		uint32_t options = draw_one_in(d, 4) ? draw(d, 4) : 0;

		push(f, 4 * options);
		ip[0] = (uint8_t)(0x45 + options);
		put16(ip + 6, draw_one_in(d, 4) ? draw(d, 0x4000) : 0);
		ip[9] = proto;
		memcpy(ip + 12, from->b + 12, 4);
		memcpy(ip + 16, to.b + 12, 4);
	}
	l4 = push(f, draw_one_in(d, 6) ? draw(d, 8) : 8 + draw(d, 3) * 6);
	f->ports_at[1] = (uint32_t)(l4 - f->bytes);
	memcpy(l4, &sport, 2);
	memcpy(l4 + 2, &dport, 2);
}

static void icmp(struct draw *d, struct frame *f, bool ipv6, const struct addr *dst)
{
	static const uint8_t v4[] = { 0, 3, 3, 11, 12, 8, 8, 8, 8, 8 },
			     v6[] = { 128, 128, 128, 128, 128, 1, 2, 3, 4, 135, 133, 137 };
	uint8_t *at = push(f, 8);

	at[0] = ipv6 ? v6[draw(d, 12)] : v4[draw(d, 10)];
	put16(at + 2, draw(d, 3) ? draw(d, 65536) : 0xf800); /* + 8: the carry goes around */
	if (draw(d, 4))
		quoted(d, f, ipv6, dst);
}

/* Some of a datagram's payload that is there already. */
static void quic(struct draw *d, uint8_t *at, uint32_t bytes)
{
	uint8_t begin[WORLD_QUIC_BYTES];
	uint32_t n = world_quic(d, begin);

	memcpy(at, begin, n < bytes ? n : bytes);
}

static void transport(struct draw *d, struct frame *f, uint8_t proto, bool ipv6,
		      const struct addr *dst)
{
	uint32_t payload_bytes = draw_one_in(d, proto == 17 ? 6 : 12)
					 ? draw(d, 2) * 600 + draw(d, 900)
					 : draw(d, 40);
	uint8_t *payload = NULL;

	if (proto == 6)
		tcp(d, f);
	else if (proto == 17)
		udp(d, f, payload_bytes);
	else if (proto == 1 || proto == 58)
		icmp(d, f, ipv6, dst);
	if (proto != 6 || draw(d, 2)) /* as most SYNs have none */
		payload = push(f, payload_bytes);
	if (proto == 17 && draw(d, 2))
		quic(d, payload, (uint32_t)(f->bytes + f->len - payload));
}

static void ipv4(struct draw *d, struct frame *f, uint8_t proto)
{
	struct addr src = world_source(d, false), dst = world_destination(d, false);
	uint32_t options = draw_one_in(d, 5) ? draw(d, 11) : 0, begin = f->len, fragment = 0;
	uint8_t *ip = push(f, 20 + 4 * options);

	if (draw_one_in(d, 5)) {
		fragment = draw(d, 2) ? 0x2000 : 0;
		fragment |= draw_one_in(d, 3) ? draw(d, 3) : draw(d, 2) ? draw(d, 0x2000) : 0;
	}
	ip[0] = (uint8_t)(0x45 + options);
	f->ip_at[0] = begin;
	ip[1] = (uint8_t)draw(d, 256);
	put16(ip + 4, draw(d, 65536));
	put16(ip + 6, fragment | (draw(d, 2) ? 0x4000 : 0));
	ip[8] = draw_one_in(d, 16) ? (uint8_t)draw(d, 4) : 64;
	ip[9] = proto;
	memcpy(ip + 12, src.b + 12, 4);
	memcpy(ip + 16, dst.b + 12, 4);
	if (fragment & 0x1fff)
		push(f, draw(d, 60));
	else
		transport(d, f, proto, false, &dst);
	put16(ip + 2, f->len - begin);
}

/* Up to 10 extension headers; returns whether what follows is a later fragment. */
static bool extensions(struct draw *d, struct frame *f, uint8_t *next, uint8_t proto)
{
	static const uint8_t numbers[] = { 0, 43, 44, 44, 51, 60, 135, 139, 140 };
	uint32_t n = draw_one_in(d, 6) ? draw(d, 11) : draw(d, 3);
	bool later = false;

	for (; n && !later; n--) {
		uint8_t number = numbers[draw(d, 9)], *ext;
		uint32_t words = draw_one_in(d, 4) ? draw(d, draw_one_in(d, 50) ? 256 : 4) : 0;

		ext = push(f, number == 44 ? 8 : 8 + 8 * words);
		*next = number;
		next = ext;
		ext[1] = (uint8_t)(number == 51 ? words * 2 : words);
		if (number == 44) {
			ext[1] = (uint8_t)draw(d, 256); /* reserved */
			put16(ext + 2, draw_one_in(d, 3) ? draw(d, 65536) : draw(d, 3));
			later = (ext[2] | (ext[3] & 0xf8)) != 0;
		}
	}
	*next = proto;
	return later;
}

static void ipv6(struct draw *d, struct frame *f, uint8_t proto)
{
	struct addr src = world_source(d, true), dst = world_destination(d, true);
	uint32_t begin = f->len;
	uint8_t *ip = push(f, 40);

	if (draw(d, 2)) /* as verdicts on flows have it */
		memset(src.b + 8, 0, 8);
	f->ip_at[0] = begin;
	put16(ip, 0x6000 | draw(d, 256) << 4);
	ip[7] = draw_one_in(d, 16) ? (uint8_t)draw(d, 4) : draw_one_in(d, 4) ? 255 : 64;
	memcpy(ip + 8, src.b, 16);
	memcpy(ip + 24, dst.b, 16);
	if (draw_one_in(d, 60)) { /* an IPv4 source that pretends */
		memset(ip + 8, 0, 10);
		memset(ip + 18, 0xff, 2);
	}
	if (draw_one_in(d, 3)) {
		if (extensions(d, f, &ip[6], proto))
			push(f, draw(d, 60));
		else
			transport(d, f, proto, true, &dst);
	} else {
		ip[6] = proto;
		transport(d, f, proto, true, &dst);
	}
	put16(ip + 4, f->len - begin - 40);
}

void frame_make(struct draw *d, struct frame *ret)
{
	static const uint16_t tags[] = { 0x8100, 0x88a8, 0x9100 };
	uint32_t n = draw_one_in(d, 4) ? 1 + draw(d, draw_one_in(d, 8) ? 3 : 2) : 0;
	bool is_v6 = draw(d, 2);
	uint64_t mac = draw_64(d);

	memset(ret->ip_at, 0, sizeof(ret->ip_at));
	memset(ret->ports_at, 0, sizeof(ret->ports_at));
	ret->ipv6 = is_v6;
	ret->len = 0;
	memcpy(push(ret, 12), &mac, 8);
	for (; n; n--) {
		uint8_t *tag = push(ret, 4);

		put16(tag, tags[draw(d, 3)]);
		put16(tag + 2, draw(d, 65536));
	}
	if (draw_one_in(d, 50)) {
		put16(push(ret, 2), draw(d, 2) ? 0x0806 : draw(d, 65536));
		push(ret, draw(d, 60));
		return;
	}
	put16(push(ret, 2), is_v6 ? 0x86dd : 0x0800);
	if (is_v6)
		ipv6(d, ret, proto_of(d, true));
	else
		ipv4(d, ret, proto_of(d, false));
	if (draw_one_in(d, 8))
		push(ret, draw(d, 30)); /* padding */
}

static void swap_bytes(uint8_t *a, uint32_t bytes)
{
	uint8_t copy[16];

	memcpy(copy, a, bytes);
	memcpy(a, a + bytes, bytes);
	memcpy(a + bytes, copy, bytes);
}

void frame_turn(struct frame *f)
{
	uint32_t i;

	for (i = 0; i < 2; i++) {
		if (f->ip_at[i])
			swap_bytes(f->bytes + f->ip_at[i] + (f->ipv6 ? 8 : 12), f->ipv6 ? 16 : 4);
		if (f->ports_at[i])
			swap_bytes(f->bytes + f->ports_at[i], 2);
	}
}

/* Where headers are. */
static uint32_t place(struct draw *d, const struct frame *f, uint32_t bytes)
{
	uint32_t most = f->len > bytes ? f->len - bytes : 0;

	if (most > 100 && draw(d, 8))
		most = 100;
	return draw(d, most + 1);
}

static void cut(struct frame *f, uint32_t len)
{
	f->len = len < 14 ? 14 : len;
}

static void insert(struct draw *d, struct frame *f)
{
	uint32_t bytes = 4 * (1 + draw(d, 4)), at = place(d, f, bytes), from = place(d, f, bytes);
	uint8_t copy[16];

	if (f->len + bytes > FRAME_MAX)
		return;
	memcpy(copy, f->bytes + from, bytes);
	memmove(f->bytes + at + bytes, f->bytes + at, f->len - at);
	memcpy(f->bytes + at, copy, bytes);
	f->len += bytes;
}

static void swap(struct draw *d, struct frame *f)
{
	uint32_t bytes = 1 + draw(d, 16), a = place(d, f, bytes), b = place(d, f, bytes);
	uint8_t copy[16];

	memcpy(copy, f->bytes + a, bytes);
	memmove(f->bytes + a, f->bytes + b, bytes);
	memcpy(f->bytes + b, copy, bytes);
}

void frame_mutate(struct draw *d, struct frame *f)
{
	static const uint8_t values[] = { 0, 1, 6, 17, 44, 58, 0x45, 0x60, 0x7f, 0x80, 0xff };
	uint32_t n = 1 + draw(d, 4);

	for (; n; n--) {
		switch (draw(d, 8)) {
		case 0:
		case 1:
			f->bytes[place(d, f, 1)] ^= (uint8_t)(1 << draw(d, 8));
			break;
		case 2:
			f->bytes[place(d, f, 1)] = values[draw(d, 11)];
			break;
		case 3:
			f->bytes[place(d, f, 1)] = (uint8_t)draw(d, 256);
			break;
		case 4:
			cut(f, draw(d, f->len));
			break;
		case 5:
			cut(f, f->len - draw(d, 9));
			break;
		case 6:
			insert(d, f);
			break;
		default:
			swap(d, f);
			break;
		}
	}
}
