/* SPDX-License-Identifier: BSD-2-Clause */
/* Outer headers (RFC 2003, RFC 2473, GUE variant 1), byte by byte: docs/feature/vip.md. */
#include <string.h>

#include "model_bytes.h"
#include "sluice/abi/flow_hash.h"

static void put_16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* RFC 1071: the complement of the ones' complement sum, the slow way. */
static uint32_t checksum(const uint8_t *at, uint32_t bytes)
{
	uint32_t sum = 0, i;

	for (i = 0; i < bytes; i += 2) {
		sum += bytes_16(at + i);
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	return sum ^ 0xffff;
}

/* RFC 1624 s3, equation 3: HC' = ~(~HC + ~m + m'). */
static uint32_t changed(uint32_t check, uint32_t from, uint32_t to)
{
	uint32_t sum = (check ^ 0xffff) + (from ^ 0xffff) + to;

	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum ^ 0xffff;
}

static uint32_t length(uint32_t bytes)
{
	return bytes > 0xffff ? 0 : bytes;
}

static uint8_t *udp(const struct model_packet *p, uint8_t *at, uint32_t bits)
{
	if (p->backend->mode != BACKEND_GUE)
		return at;
	put_16(at, 0xc000 | bits);
	memcpy(at + 2, &p->backend->port, 2);
	put_16(at + 4, length(p->l3_bytes + 8));
	put_16(at + 6, 0);
	return at + 8;
}

static uint32_t outer_v4(const struct model_packet *p, const uint8_t *ip, uint32_t bits,
			 uint8_t *out)
{
	bool gue = p->backend->mode == BACKEND_GUE, stays_whole = ip[6] & 0x40;
	uint32_t bytes = gue ? 28 : 20;

	memset(out, 0, 20);
	out[0] = 0x45;
	out[1] = ip[1];
	put_16(out + 2, length(p->l3_bytes + bytes));
	put_16(out + 4, stays_whole ? 0 : bytes_16(ip + 4) ^ bits);
	out[6] = stays_whole ? 0x40 : 0;
	out[8] = 64;
	out[9] = gue ? 17 : 4;
	memcpy(out + 12, p->backend->source.b + 12, 4);
	memcpy(out + 16, p->backend->addr.b + 12, 4);
	put_16(out + 10, checksum(out, 20));
	udp(p, out + 20, bits);
	return bytes;
}

static uint32_t outer_v6(const struct model_packet *p, const uint8_t *ip, uint32_t bits,
			 uint8_t *out)
{
	bool gue = p->backend->mode == BACKEND_GUE;
	uint32_t class = p->ipv6 ? (bytes_16(ip) >> 4) & 0xff : ip[1];

	put_16(out, 0x6000 | class << 4);
	put_16(out + 2, bits);
	put_16(out + 4, length(p->l3_bytes + (gue ? 8 : 0)));
	out[6] = gue ? 17 : p->ipv6 ? 41 : 4;
	out[7] = 64;
	memcpy(out + 8, p->backend->source.b, 16);
	memcpy(out + 24, p->backend->addr.b, 16);
	udp(p, out + 40, bits);
	return gue ? 48 : 40;
}

/* One hop less to live: RFC 2003 s3.1. */
static void count_hop(const struct model_packet *p, uint8_t *ip)
{
	uint32_t before = bytes_16(ip + 8);

	if (p->ipv6) {
		ip[7]--;
		return;
	}
	ip[8]--;
	put_16(ip + 10, changed(bytes_16(ip + 10), before, bytes_16(ip + 8)));
}

static bool is_v4(const struct addr *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(a->b, mapped, sizeof(mapped)) == 0;
}

enum model_fate model_encap(struct model_packet *p)
{
	uint8_t *ip = p->frame->bytes + p->l2_bytes, outer[48];
	uint32_t bits, bytes;
	struct flow_key flow = p->flow;
	bool v4 = is_v4(&p->backend->addr);

	if (p->backend->mode == BACKEND_L2)
		return MODEL_TX;
	if (ip[p->ipv6 ? 7 : 8] < 2)
		return model_drop(p, DROP_TTL);
	/* BPF_PROG_TEST_RUN's merged packets are of no kind that the kernel puts anything around. */
	if ((p->ipv6 && v4) || p->frame->segment_bytes ||
	    (p->frame->tags_refused && p->l2_bytes > 14))
		return model_drop(p, DROP_ENCAP);
	if (p->fragment)
		flow.sport = flow.dport = 0;
	bits = flow_hash(&flow, p->vip->hash_seed) & 0xffff;
	bytes = v4 ? outer_v4(p, ip, bits, outer) : outer_v6(p, ip, bits, outer);
	count_hop(p, ip);
	put_16(ip - 2, v4 ? 0x0800 : 0x86dd);
	memmove(ip + bytes, ip, p->frame->len - p->l2_bytes);
	memcpy(ip, outer, bytes);
	p->frame->len += bytes;
	return MODEL_TX;
}
