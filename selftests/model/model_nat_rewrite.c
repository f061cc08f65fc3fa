/* SPDX-License-Identifier: BSD-2-Clause */
/* Other addresses and ports, octet by octet, and what that does to checksums: RFC 1624, RFC 5508. */
#include <string.h>

#include "model_bytes.h"
#include "model_nat_step.h"

/* What a packet becomes. */
struct change {
	struct addr src, dst;
	uint16_t sport, dport; /* as on the wire */
	bool ipv6;
};

static uint32_t address_bytes(const struct change *c)
{
	return c->ipv6 ? 16 : 4;
}

/* As much of it as is on the wire. */
static const uint8_t *on_wire(const struct change *c, const struct addr *a)
{
	return a->b + 16 - address_bytes(c);
}

/* The checksum once bytes that it covers have become others. */
static uint32_t told(uint32_t check, const uint8_t *from, const uint8_t *to, uint32_t bytes)
{
	uint32_t i;

	for (i = 0; i < bytes; i += 2)
		check = bytes_changed(check, bytes_16(from + i), bytes_16(to + i));
	return check;
}

static uint32_t told_pair(uint32_t check, const uint8_t *from, const uint8_t *first,
			  const uint8_t *second, uint32_t bytes)
{
	return told(told(check, from, first, bytes), from + bytes, second, bytes);
}

static uint32_t addresses_at(const struct change *c)
{
	return c->ipv6 ? 8 : 12;
}

static void put_addresses(const struct change *c, uint8_t *ip, const struct addr *src,
			  const struct addr *dst)
{
	uint8_t *at = ip + addresses_at(c);
	uint32_t n = address_bytes(c);

	if (!c->ipv6)
		bytes_put_16(ip + 10,
			     told_pair(bytes_16(ip + 10), at, on_wire(c, src), on_wire(c, dst), n));
	memcpy(at, on_wire(c, src), n);
	memcpy(at + n, on_wire(c, dst), n);
}

static void count_hop(const struct change *c, uint8_t *ip)
{
	uint32_t before = bytes_16(ip + 8);

	ip[c->ipv6 ? 7 : 8]--;
	if (!c->ipv6)
		bytes_put_16(ip + 10, bytes_changed(bytes_16(ip + 10), before, bytes_16(ip + 8)));
}

/* A UDP checksum of 0 is none, and one that would be 0 is sent as 0xffff (RFC 768). */
static void put_l4_sum(const struct change *c, uint8_t *at, const uint8_t *ip, const uint8_t *l4,
		       const struct addr *src, const struct addr *dst, const uint8_t ports[4],
		       bool udp)
{
	uint32_t sum = bytes_16(at);

	if (udp && sum == 0)
		return;
	sum = told_pair(sum, ip + addresses_at(c), on_wire(c, src), on_wire(c, dst),
			address_bytes(c));
	sum = told(sum, l4, ports, 4);
	bytes_put_16(at, udp && sum == 0 ? 0xffff : sum);
}

static void packet(const struct change *c, uint8_t *ip, uint8_t *l4, bool udp)
{
	uint8_t ports[4];

	memcpy(ports, &c->sport, 2);
	memcpy(ports + 2, &c->dport, 2);
	put_l4_sum(c, l4 + (udp ? 6 : 16), ip, l4, &c->src, &c->dst, ports, udp);
	memcpy(l4, ports, 4);
	count_hop(c, ip);
	put_addresses(c, ip, &c->src, &c->dst);
}

/* What an error quotes went the other way. Of ICMP's checksum every word of it counts. */
static uint32_t quoted(const struct change *c, uint8_t *ip, uint8_t *l4, bool udp, uint32_t check)
{
	uint8_t ports[4], was_ip[60], was_l4[8];
	uint32_t ip_bytes = (uint32_t)(l4 - ip);

	memcpy(was_ip, ip, ip_bytes);
	memcpy(was_l4, l4, 8);
	memcpy(ports, &c->dport, 2);
	memcpy(ports + 2, &c->sport, 2);
	if (udp)
		put_l4_sum(c, l4 + 6, ip, l4, &c->dst, &c->src, ports, true);
	memcpy(l4, ports, 4);
	put_addresses(c, ip, &c->dst, &c->src);
	return told(told(check, was_ip, ip, ip_bytes), was_l4, l4, 8);
}

static enum model_fate error(struct model_packet *p, const struct change *c, uint8_t *ip,
			     uint8_t *icmp)
{
	uint8_t *inner = icmp + 8, *l4 = inner + (c->ipv6 ? 40 : (inner[0] & 15) * 4);
	/* A router's address stays where the client's does, so that it is not taken for forged. */
	bool is_kept = memcmp(&c->src, &p->flow.src, sizeof(c->src)) == 0;
	struct addr source = is_kept ? p->source : c->src;
	uint32_t check;

	if (icmp != ip + (c->ipv6 ? 40 : 20) || (c->ipv6 && inner[6] != p->flow.proto))
		return model_drop(p, DROP_NAT_SHAPE);
	check = quoted(c, inner, l4, p->flow.proto == 17, bytes_16(icmp + 2));
	if (c->ipv6) /* its pseudo-header */
		check = told_pair(check, ip + 8, source.b, c->dst.b, 16);
	bytes_put_16(icmp + 2, check);
	count_hop(c, ip);
	put_addresses(c, ip, &source, &c->dst);
	return MODEL_TX;
}

enum model_fate model_nat_rewrite(struct model_packet *p, const struct model_nat_flow *f,
				  bool is_back)
{
	const struct flow_key *becomes = is_back ? &f->client : &f->answer;
	/* Its answers would show that. */
	const struct change c = { .src = becomes->dst,
				  .dst = becomes->src,
				  .sport = becomes->dport,
				  .dport = becomes->sport,
				  .ipv6 = p->ipv6 };
	uint8_t *ip = p->frame->bytes + p->l2_bytes;
	uint8_t *l4 = ip + (p->ipv6 ? 40 : (ip[0] & 15) * 4);

	if (p->quotes)
		return error(p, &c, ip, l4);
	packet(&c, ip, l4, p->proto == 17);
	return MODEL_TX;
}
