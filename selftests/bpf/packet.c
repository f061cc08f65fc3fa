/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "lib/proto.h"
#include "packet.h"
#include "sluice/algo/csum.h"

static const uint8_t mac_dst[6] = { 0x02, 0, 0, 0, 0, 0x01 };
static const uint8_t mac_src[6] = { 0x02, 0, 0, 0, 0, 0x02 };

struct addr packet_addr(const char *text)
{
	struct addr a = { .b = { [10] = 0xff, [11] = 0xff } };

	if (strchr(text, ':'))
		assert_int_equal(inet_pton(AF_INET6, text, a.b), 1);
	else
		assert_int_equal(inet_pton(AF_INET, text, &a.w[3]), 1);
	return a;
}

static uint8_t *push(struct packet *p, uint32_t bytes)
{
	uint8_t *at = p->bytes + p->len;

	assert_true(p->len + bytes <= sizeof(p->bytes));
	memset(at, 0, bytes);
	p->len += bytes;
	return at;
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void build_l2(const struct packet_spec *spec, struct packet *p, uint16_t type)
{
	uint8_t *eth = push(p, 12);
	uint32_t i;

	memcpy(eth, mac_dst, 6);
	memcpy(eth + 6, mac_src, 6);
	for (i = 0; i < spec->tags; i++) {
		bool outer = spec->tags > 1 && i == 0;
		uint8_t *tag = push(p, 4);

		put16(tag, outer ? ETHER_QINQ : ETHER_VLAN);
		put16(tag + 2, 100 + i);
	}
	put16(push(p, 2), spec->ether_type ? spec->ether_type : type);
}

/* The IP header without its length; returns its offset. */
static void build_ipv4(const struct packet_spec *spec, struct packet *p)
{
	struct addr src = packet_addr(spec->src), dst = packet_addr(spec->dst);
	uint32_t header_bytes = 20 + spec->option_bytes;
	uint8_t *ip = push(p, header_bytes);

	ip[0] = (uint8_t)((spec->version ? spec->version : 4) << 4 |
			  (spec->ihl ? spec->ihl : header_bytes / 4));
	ip[1] = spec->traffic_class;
	put16(ip + 4, 0x1234);
	put16(ip + 6, spec->frag_offset | (spec->frag_more ? IPV4_FRAG_MORE : 0));
	ip[8] = spec->hop_limit ? spec->hop_limit : 64;
	ip[9] = spec->proto;
	memcpy(ip + 12, &src.w[3], 4);
	memcpy(ip + 16, &dst.w[3], 4);
	memset(ip + 20, 1, spec->option_bytes); /* no operation */
}

static void build_ext(const struct packet_spec *spec, struct packet *p, uint8_t *next)
{
	uint8_t numbers[PACKET_EXT_MAX + 1];
	uint32_t n = 0, i;

	if (spec->hop_options)
		numbers[n++] = PROTO_HOP_OPTIONS;
	for (i = 0; i < PACKET_EXT_MAX && spec->ext[i]; i++)
		numbers[n++] = spec->ext[i];
	for (i = 0; i < n; i++) {
		uint32_t words = i == 0 && numbers[i] != PROTO_FRAGMENT ? spec->ext_words : 0;
		uint8_t *ext = push(p, 8 + 8 * words);

		*next = numbers[i];
		next = ext;
		/* AH counts in words of 4 bytes less 2, the others in 8 less 1. */
		ext[1] = (uint8_t)(numbers[i] == PROTO_AUTH ? words * 2 : words);
		if (numbers[i] == PROTO_FRAGMENT) {
			ext[1] = 0;
			put16(ext + 2, (uint32_t)spec->frag_offset << 3 | spec->frag_more);
			put16(ext + 6, 0x1234);
		}
	}
	*next = spec->proto;
}

static void build_ipv6(const struct packet_spec *spec, struct packet *p)
{
	struct addr src = packet_addr(spec->src), dst = packet_addr(spec->dst);
	uint8_t *ip = push(p, 40);

	ip[0] = (uint8_t)((spec->version ? spec->version : 6) << 4);
	put16(ip, (uint32_t)ip[0] << 8 | (uint32_t)spec->traffic_class << 4);
	ip[7] = spec->hop_limit ? spec->hop_limit : 64;
	memcpy(ip + 8, src.b, 16);
	memcpy(ip + 24, dst.b, 16);
	build_ext(spec, p, &ip[6]);
}

static void build_ip(const struct packet_spec *spec, struct packet *p);

static void build_icmp(const struct packet_spec *spec, struct packet *p)
{
	struct packet inner = { .len = 0 };

	push(p, 8)[0] = spec->icmp_type;
	if (!spec->quoted)
		return;
	build_ip(spec->quoted, &inner);
	inner.len = inner.l4 + (spec->quoted_l4_bytes ? spec->quoted_l4_bytes : 8);
	memcpy(push(p, inner.len), inner.bytes, inner.len);
}

static void build_l4(const struct packet_spec *spec, struct packet *p)
{
	uint8_t *at;

	if (spec->frag_offset) {
		push(p, spec->payload_bytes);
		return;
	}
	if (spec->proto == PROTO_TCP) {
		at = push(p, 20 + spec->tcp_option_bytes);
		at[12] = (uint8_t)((spec->doff ? spec->doff : 5 + spec->tcp_option_bytes / 4) << 4);
		at[13] = spec->tcp_flags;
	} else if (spec->proto == PROTO_UDP) {
		at = push(p, 8);
		put16(at + 4, spec->udp_length ? spec->udp_length : 8 + spec->payload_bytes);
	} else if (spec->proto == PROTO_ICMP || spec->proto == PROTO_ICMPV6) {
		build_icmp(spec, p);
		at = NULL;
	} else {
		at = NULL;
	}
	if (at) {
		put16(at, spec->sport);
		put16(at + 2, spec->dport);
	}
	memset(push(p, spec->payload_bytes), 0x5a, spec->payload_bytes);
}

static void build_ip(const struct packet_spec *spec, struct packet *p)
{
	bool v6 = strchr(spec->src, ':') != NULL;
	uint8_t *ip = p->bytes + p->len;
	__sum16 sum;

	p->l3 = p->len;
	if (v6)
		build_ipv6(spec, p);
	else
		build_ipv4(spec, p);
	p->l4 = p->len;
	build_l4(spec, p);
	if (v6) {
		put16(ip + 4, p->len - p->l3 - 40 + spec->length_lie);
		return;
	}
	put16(ip + 2, p->len - p->l3 + spec->length_lie);
	sum = csum_fold(csum_add_bytes(0, ip, 20 + spec->option_bytes));
	memcpy(ip + 10, &sum, 2);
}

void packet_build(const struct packet_spec *spec, struct packet *ret)
{
	struct packet_spec plain = *spec;

	ret->len = 0;
	build_l2(&plain, ret, strchr(spec->src, ':') ? ETHER_IPV6 : ETHER_IPV4);
	build_ip(&plain, ret);
	push(ret, spec->padding);
}
