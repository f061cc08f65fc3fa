/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a SYN is answered by: the frame turned around, of the same length, with a fresh IP header, and
 * of TCP's options (RFC 9293, RFC 7323, RFC 2018) those that the SYN has and the answer may have.
 */
#include "model_guard_reply.h"

#include <string.h>

#include "model_bytes.h"

#define OPTIONS_MAX 24

struct syn_options {
	bool mss, sack, wscale, timestamps;
	uint32_t scale, stamp;
};

static void note_option(struct syn_options *o, const uint8_t *option, uint32_t bytes)
{
	if (option[0] == 2 && bytes == 4)
		o->mss = true;
	if (option[0] == 4 && bytes == 2)
		o->sack = true;
	if (option[0] == 3 && bytes == 3) {
		o->wscale = true;
		o->scale = option[2];
	}
	if (option[0] == 8 && bytes == 10) {
		o->timestamps = true;
		o->stamp = bytes_32(option + 2);
	}
}

/* One that is broken ends them, as does the end. */
static struct syn_options syn_options(const uint8_t *tcp)
{
	uint32_t end = (tcp[12] >> 4) * 4U, at = 20, bytes, n;
	struct syn_options o = { .mss = false };

	for (n = 0; n < OPTIONS_MAX && at < end && tcp[at] != 0; n++) {
		if (tcp[at] == 1) {
			at++;
			continue;
		}
		if (at + 1 >= end)
			break;
		bytes = tcp[at + 1];
		if (bytes < 2 || at + bytes > end)
			break;
		note_option(&o, tcp + at, bytes);
		at += bytes;
	}
	return o;
}

/*
 * The kernel reads the client's scale and whether it takes selective acknowledgements from the low 6
 * bits (net/ipv4/syncookies.c). Not later than now.
 */
static uint32_t stamp_of(const struct syn_options *o, uint64_t now_ns)
{
	uint64_t now_ms = now_ns / 1000000;
	uint64_t value = now_ms / 64 * 64 + (o->sack ? 16 : 0);

	value += !o->wscale ? 15 : o->scale < 14 ? o->scale : 14;
	return (uint32_t)(value > now_ms ? value - 64 : value);
}

/* No options if the SYN has no MSS; besides the MSS only what a cookie may carry. */
static void put_options(const struct model *m, const struct model_packet *p, uint8_t *tcp,
			uint32_t carry)
{
	uint32_t bytes = (tcp[12] >> 4) * 4U - 20;
	struct syn_options o = syn_options(tcp);

	memset(tcp + 20, 1, bytes);
	if (!o.mss)
		return;
	bytes_put_32(tcp + 20, 0x02040000 | (m->policy.host.mtu - (p->ipv6 ? 60 : 40)));
	if (!(carry & GUARD_OPTIONS) || !o.timestamps)
		return;
	bytes_put_32(tcp + 24, o.sack ? 0x0402080a : 0x0101080a);
	bytes_put_32(tcp + 28, stamp_of(&o, p->frame->now_ns));
	bytes_put_32(tcp + 32, o.stamp);
	if (o.wscale)
		bytes_put_32(tcp + 36, 0x01030300 | (carry & GUARD_WSCALE_MASK));
}

static uint64_t sum_16(uint64_t sum, const uint8_t *at, uint32_t bytes)
{
	uint32_t i;

	for (i = 0; i < bytes; i += 2)
		sum += bytes_16(at + i);
	return sum;
}

static uint32_t folded(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint32_t)sum;
}

/*
 * At XDP the sum is made anew; at TC what the kernel has is told of the difference, so that one that
 * was wrong stays wrong by as much (RFC 1624).
 */
static void put_checksum(const struct model_packet *p, uint8_t *tcp, uint32_t before)
{
	uint32_t bytes = (tcp[12] >> 4) * 4U, was = bytes_16(tcp + 16);
	const uint8_t *ip = p->frame->bytes + p->l2_bytes;
	uint64_t sum;

	bytes_put_16(tcp + 16, 0);
	sum = sum_16(0, tcp, bytes);
	if (p->frame->keeps_checksum) {
		uint32_t change = folded(folded(sum) + (~before & 0xffff));

		bytes_put_16(tcp + 16, ~folded((~was & 0xffff) + (uint64_t)change));
		return;
	}
	sum = sum_16(sum, p->ipv6 ? ip + 8 : ip + 12, p->ipv6 ? 32 : 8) + 6 + bytes;
	bytes_put_16(tcp + 16, ~folded(sum));
}

static void put_ip(const struct model_packet *p, uint8_t *ip, uint32_t tcp_bytes)
{
	if (p->ipv6) {
		bytes_swap(ip + 8, ip + 24, 16);
		memset(ip, 0, 8);
		ip[0] = 0x60;
		bytes_put_16(ip + 4, tcp_bytes);
		ip[6] = 6;
		ip[7] = 64;
		return;
	}
	bytes_swap(ip + 12, ip + 16, 4);
	memset(ip, 0, 12);
	ip[0] = 0x45;
	bytes_put_16(ip + 2, 20 + tcp_bytes);
	ip[6] = 0x40; /* don't fragment */
	ip[8] = 64;
	ip[9] = 6;
	bytes_put_16(ip + 10, ~folded(sum_16(0, ip, 20)));
}

/* Sequence and acknowledgement numbers are put into the header already. */
static void turn(struct model *m, struct model_packet *p, uint8_t *tcp, uint32_t window,
		 uint32_t before, uint32_t carry)
{
	uint32_t bytes = (tcp[12] >> 4) * 4U;

	bytes_swap(p->frame->bytes, p->frame->bytes + 6, 6);
	put_ip(p, p->frame->bytes + p->l2_bytes, bytes);
	bytes_swap(tcp, tcp + 2, 2);
	put_options(m, p, tcp, carry);
	tcp[12] &= 0xf0;
	tcp[13] = 0x12;
	bytes_put_16(tcp + 14, window);
	bytes_put_16(tcp + 18, 0);
	put_checksum(p, tcp, before);
}

static uint32_t sum_before(const uint8_t *tcp)
{
	return folded(sum_16(0, tcp, (tcp[12] >> 4) * 4U) + (~bytes_16(tcp + 16) & 0xffff));
}

/* The number at a place of what the program sent; if it sent nothing there, that is a difference. */
static uint32_t sent_32(const struct model *m, const struct model_packet *p, const uint8_t *at)
{
	size_t offset = (size_t)(at - p->frame->bytes);

	return offset + 4 <= m->kernel.sent_bytes ? bytes_32(m->kernel.sent + offset) : 0;
}

static void note(struct model_packet *p, bool listener, uint32_t seq, uint32_t ack)
{
	p->guard.replied = true;
	p->guard.made = (struct model_cookie) {
		.flow = p->flow, .ipv6 = p->ipv6, .listener = listener, .seq = seq, .ack = ack
	};
}

void model_guard_reply_own(struct model *m, struct model_packet *p)
{
	uint8_t *tcp = p->frame->bytes + p->l2_bytes + (p->ipv6 ? 40 : 20);
	uint32_t before = sum_before(tcp), next = bytes_32(tcp + 4) + 1;
	uint32_t cookie = sent_32(m, p, tcp + 4);

	note(p, true, next, cookie + 1);
	bytes_put_32(tcp + 4, cookie);
	bytes_put_32(tcp + 8, next);
	/* 44 segments of 1460: what a Linux listener offers, not scaled. */
	turn(m, p, tcp, 64240, before, m->policy.guard[GUARD_OWN].options);
}

void model_guard_reply_vip(struct model *m, struct model_packet *p, bool plain)
{
	uint8_t *tcp = p->frame->bytes + p->l2_bytes + (p->ipv6 ? 40 : 20);
	uint32_t before = sum_before(tcp), next = bytes_32(tcp + 4) + 1;
	uint32_t cookie = sent_32(m, p, tcp + 4);

	/* Made as if the connection began at 0, since what comes back need not say where it began. */
	note(p, false, 1, cookie + 1);
	bytes_put_32(tcp + 4, cookie);
	bytes_put_32(tcp + 8, plain ? next : cookie);
	turn(m, p, tcp, 0, before, 0);
}
