/* SPDX-License-Identifier: BSD-2-Clause */
/* TCP (RFC 9293), UDP (RFC 768), ICMP (RFC 792, RFC 4443) and the packet that its errors quote. */
#include <string.h>

#include "model_bytes.h"

/* Is there a header of n bytes? The packet ends before it, or goes on where nobody looks. */
static enum model_fate header(struct model_packet *p, uint32_t at, uint32_t end, uint32_t n)
{
	if (end - at < n)
		return model_drop(p, DROP_MALFORMED);
	if (!bytes_readable(p, at, n))
		return model_drop(p, DROP_EXT_HEADERS);
	return MODEL_NEXT;
}

static void ports(struct model_packet *p, const uint8_t *at)
{
	memcpy(&p->flow.sport, at, 2);
	memcpy(&p->flow.dport, at + 2, 2);
}

static enum model_fate tcp(struct model_packet *p, uint32_t at, uint32_t end)
{
	const uint8_t *tcp = p->frame->bytes + at;
	enum model_fate fate = header(p, at, end, 20);
	uint32_t bytes;

	if (fate != MODEL_NEXT)
		return fate;
	bytes = (tcp[12] >> 4) * 4U;
	if (bytes < 20 || end - at < bytes)
		return model_drop(p, DROP_MALFORMED);
	p->syn = (tcp[13] & 0x02) && !(tcp[13] & 0x10);
	p->tcp_rst = tcp[13] & 0x04;
	p->tcp_ack = tcp[13] & 0x10;
	ports(p, tcp);
	p->headers_bytes = at + bytes;
	return MODEL_NEXT;
}

static enum model_fate udp(struct model_packet *p, uint32_t at, uint32_t end)
{
	const uint8_t *udp = p->frame->bytes + at;
	enum model_fate fate = header(p, at, end, 8);

	if (fate != MODEL_NEXT)
		return fate;
	if (bytes_16(udp + 4) < 8 && !p->frame->segment_bytes)
		return model_drop(p, DROP_MALFORMED);
	ports(p, udp);
	p->headers_bytes = at + 8;
	return MODEL_NEXT;
}

/* The quoted packet's addresses and transport; false if they cannot be found in at..end. */
struct quoted {
	struct addr from, to;
	uint8_t proto;
	bool fragment;
	uint32_t l4_at;
};

static bool quoted_v4(const struct model_packet *p, uint32_t at, uint32_t end, struct quoted *q)
{
	const uint8_t *ip = p->frame->bytes + at;
	uint32_t header_bytes;

	if (end - at < 20 || !bytes_readable(p, at, 20) || ip[0] >> 4 != 4)
		return false;
	header_bytes = (ip[0] & 15U) * 4;
	if (header_bytes < 20 || end - at < header_bytes)
		return false;
	q->from = bytes_addr_v4(ip + 12);
	q->to = bytes_addr_v4(ip + 16);
	q->proto = ip[9];
	q->fragment = bytes_16(ip + 6) & 0x3fff;
	q->l4_at = at + header_bytes;
	return true;
}

/* Only a fragment header is looked through, directly behind the IPv6 header. */
static bool quoted_v6(const struct model_packet *p, uint32_t at, uint32_t end, struct quoted *q)
{
	const uint8_t *ip = p->frame->bytes + at;

	if (end - at < 40 || !bytes_readable(p, at, 40) || ip[0] >> 4 != 6)
		return false;
	memcpy(q->from.b, ip + 8, 16);
	memcpy(q->to.b, ip + 24, 16);
	q->proto = ip[6];
	q->l4_at = at + 40;
	if (q->proto != 44)
		return true;
	if (end - at < 48 || !bytes_readable(p, at + 40, 8))
		return false;
	q->proto = ip[40];
	q->fragment = bytes_16(ip + 42) & 0xfff9;
	q->l4_at = at + 48;
	return true;
}

/* An error about a packet that went out from our flow's end: it goes where the flow goes. */
static void quote(struct model_packet *p, uint32_t at, uint32_t end)
{
	const uint8_t *l4;
	struct quoted q = { .proto = 0 };

	if (!(p->ipv6 ? quoted_v6(p, at, end, &q) : quoted_v4(p, at, end, &q)))
		return;
	if ((q.proto != 6 && q.proto != 17) || memcmp(&q.from, &p->flow.dst, 16) != 0)
		return;
	l4 = p->frame->bytes + q.l4_at;
	if (!q.fragment) {
		if (end - q.l4_at < 8 || !bytes_readable(p, q.l4_at, 8))
			return;
		memcpy(&p->flow.dport, l4, 2);
		memcpy(&p->flow.sport, l4 + 2, 2);
	}
	p->flow.src = q.to;
	p->flow.proto = q.proto;
	p->fragment = q.fragment;
	p->quotes = true;
}

static enum model_fate icmp(struct model_packet *p, uint32_t at, uint32_t end)
{
	enum model_fate fate = header(p, at, end, 8);
	uint8_t type = p->frame->bytes[at];

	if (fate != MODEL_NEXT)
		return fate;
	p->headers_bytes = at + 8;
	p->echo = type == (p->ipv6 ? 128 : 8) && p->frame->bytes[at + 1] == 0;
	if (p->fragment)
		return MODEL_NEXT;
	if (p->ipv6 ? type >= 1 && type <= 4 : type == 3 || type == 11 || type == 12)
		quote(p, at + 8, end);
	return MODEL_NEXT;
}

enum model_fate model_l4(const struct model_policy *policy, struct model_packet *p, uint32_t at,
			 uint32_t end)
{
	if (p->fragment)
		p->kind = LIMIT_KIND_FRAGMENT;
	else if (p->proto == (p->ipv6 ? 58 : 1))
		p->kind = LIMIT_KIND_ICMP;
	else if (p->proto != 6 && p->proto != 17)
		p->kind = LIMIT_KIND_OTHER_L4;
	if (p->proto == 6)
		return tcp(p, at, end);
	if (p->proto == 17)
		return udp(p, at, end);
	if (p->proto == (p->ipv6 ? 58 : 1))
		return icmp(p, at, end);
	return policy->unknown_l4_drop ? model_drop(p, DROP_UNKNOWN_L4) : MODEL_NEXT;
}
