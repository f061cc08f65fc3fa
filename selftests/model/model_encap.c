/* SPDX-License-Identifier: BSD-2-Clause */
/* Outer headers (RFC 2003, RFC 2473, GUE variant 1), byte by byte: docs/feature/vip.md. */
#include <string.h>

#include "model_bytes.h"

static uint32_t length(uint32_t bytes)
{
	return bytes > 0xffff ? 0 : bytes;
}

static uint8_t *udp(const struct model_packet *p, uint8_t *at)
{
	if (p->backend->mode != BACKEND_GUE)
		return at;
	bytes_put_16(at, 0xc000 | p->flow_bits);
	memcpy(at + 2, &p->backend->port, 2);
	bytes_put_16(at + 4, length(p->l3_bytes + 8));
	bytes_put_16(at + 6, 0);
	return at + 8;
}

static uint32_t outer_v4(const struct model_packet *p, const uint8_t *ip, uint8_t *out)
{
	bool gue = p->backend->mode == BACKEND_GUE, stays_whole = ip[6] & 0x40;
	uint32_t bytes = gue ? 28 : 20;

	memset(out, 0, 20);
	out[0] = 0x45;
	out[1] = ip[1];
	bytes_put_16(out + 2, length(p->l3_bytes + bytes));
	bytes_put_16(out + 4, stays_whole ? 0 : bytes_16(ip + 4) ^ p->flow_bits);
	out[6] = stays_whole ? 0x40 : 0;
	out[8] = 64;
	out[9] = gue ? 17 : 4;
	memcpy(out + 12, p->backend->source.b + 12, 4);
	memcpy(out + 16, p->backend->addr.b + 12, 4);
	bytes_put_16(out + 10, bytes_checksum(out, 20));
	udp(p, out + 20);
	return bytes;
}

static uint32_t outer_v6(const struct model_packet *p, const uint8_t *ip, uint8_t *out)
{
	bool gue = p->backend->mode == BACKEND_GUE;
	uint32_t class = p->ipv6 ? (bytes_16(ip) >> 4) & 0xff : ip[1];

	bytes_put_16(out, 0x6000 | class << 4);
	bytes_put_16(out + 2, p->flow_bits);
	bytes_put_16(out + 4, length(p->l3_bytes + (gue ? 8 : 0)));
	out[6] = gue ? 17 : p->ipv6 ? 41 : 4;
	out[7] = 64;
	memcpy(out + 8, p->backend->source.b, 16);
	memcpy(out + 24, p->backend->addr.b, 16);
	udp(p, out + 40);
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
	bytes_put_16(ip + 10, bytes_changed(bytes_16(ip + 10), before, bytes_16(ip + 8)));
}

static bool is_v4(const struct addr *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(a->b, mapped, sizeof(mapped)) == 0;
}

enum model_fate model_encap(struct model_packet *p)
{
	uint8_t *ip = p->frame->bytes + p->l2_bytes, outer[48];
	uint32_t bytes;
	bool v4 = is_v4(&p->backend->addr);

	p->egress_ifindex = p->backend->ifindex;
	memcpy(p->link, p->backend->dst_mac, 6);
	memcpy(p->link + 6, p->backend->src_mac, 6);
	if (p->backend->mode == BACKEND_L2)
		return MODEL_TX;
	if (ip[p->ipv6 ? 7 : 8] < 2)
		return model_drop(p, DROP_TTL);
	/* BPF_PROG_TEST_RUN's merged packets are of no kind that the kernel puts anything around. */
	if ((p->ipv6 && v4) || p->frame->segment_bytes ||
	    (p->frame->tags_refused && p->l2_bytes > 14))
		return model_drop(p, DROP_ENCAP);
	bytes = v4 ? outer_v4(p, ip, outer) : outer_v6(p, ip, outer);
	count_hop(p, ip);
	bytes_put_16(ip - 2, v4 ? 0x0800 : 0x86dd);
	memmove(ip + bytes, ip, p->frame->len - p->l2_bytes);
	memcpy(ip, outer, bytes);
	p->frame->len += bytes;
	return MODEL_TX;
}
