/* SPDX-License-Identifier: BSD-2-Clause */
#include "explain_frame.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "sluice/algo/csum.h"

#define TTL_DEFAULT  64
#define WINDOW	     64240
#define VLAN_TAGS    2
#define ECHO_REQUEST 8
#define ECHO_V6	     128

static const char *const flag_names[] = { "fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr" };

static size_t l4_bytes(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return sizeof(struct tcphdr);
	case IPPROTO_UDP:
		return sizeof(struct udphdr);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return sizeof(struct icmphdr);
	default:
		return 0;
	}
}

static void make_v4(const struct explain_packet *p, uint8_t *at, size_t bytes)
{
	struct iphdr ip = { .version = 4,
			    .ihl = 5,
			    .tot_len = htons((uint16_t)bytes),
			    .frag_off = htons(IP_DF),
			    .ttl = p->ttl ? p->ttl : TTL_DEFAULT,
			    .protocol = p->proto,
			    .saddr = p->source.w[3],
			    .daddr = p->dst.w[3] };
	uint16_t sum;

	memcpy(at, &ip, sizeof(ip));
	sum = csum_fold(csum_add_bytes(0, at, sizeof(ip)));
	memcpy(at + offsetof(struct iphdr, check), &sum, sizeof(sum));
}

static void make_v6(const struct explain_packet *p, uint8_t *at, size_t bytes)
{
	struct ip6_hdr ip = { .ip6_flow = htonl(6U << 28),
			      .ip6_plen = htons((uint16_t)(bytes - sizeof(ip))),
			      .ip6_nxt = p->proto,
			      .ip6_hlim = p->ttl ? p->ttl : TTL_DEFAULT };

	memcpy(&ip.ip6_src, &p->source, sizeof(ip.ip6_src));
	memcpy(&ip.ip6_dst, &p->dst, sizeof(ip.ip6_dst));
	memcpy(at, &ip, sizeof(ip));
}

/* Of the transport header and what is behind it, over the pseudo-header where there is one. */
static uint16_t l4_sum(const struct explain_packet *p, const uint8_t *l4, size_t bytes)
{
	uint64_t sum = csum_add_bytes(0, l4, (uint32_t)bytes);
	bool v4 = addr_is_v4(&p->source);
	int first = v4 ? 3 : 0;

	if (v4 && p->proto == IPPROTO_ICMP)
		return csum_fold(sum);
	for (int i = first; i < 4; i++)
		sum = csum_add_32(csum_add_32(sum, p->source.w[i]), p->dst.w[i]);
	sum = csum_add_32(csum_add_32(sum, htonl(p->proto)), htonl((uint32_t)bytes));
	return csum_fold(sum);
}

static void make_l4(const struct explain_packet *p, uint8_t *at, size_t bytes)
{
	struct tcphdr tcp = { .source = htons(p->sport),
			      .dest = htons(p->dport),
			      .seq = htonl(1),
			      .ack_seq = p->tcp_flags & TH_ACK ? htonl(1) : 0,
			      .doff = 5,
			      .window = htons(WINDOW) };
	struct udphdr udp = { .source = htons(p->sport),
			      .dest = htons(p->dport),
			      .len = htons((uint16_t)bytes) };
	struct icmphdr icmp = { .type = p->proto == IPPROTO_ICMPV6 ? ECHO_V6 : ECHO_REQUEST };
	uint16_t sum;

	if (p->proto == IPPROTO_TCP) {
		tcp.th_flags = p->tcp_flags;
		memcpy(at, &tcp, sizeof(tcp));
		sum = l4_sum(p, at, bytes);
		memcpy(at + offsetof(struct tcphdr, check), &sum, sizeof(sum));
	} else if (p->proto == IPPROTO_UDP) {
		memcpy(at, &udp, sizeof(udp));
		sum = l4_sum(p, at, bytes);
		sum = sum ? sum : 0xffff; /* RFC 768: 0 is none */
		memcpy(at + offsetof(struct udphdr, check), &sum, sizeof(sum));
	} else if (l4_bytes(p->proto)) {
		memcpy(at, &icmp, sizeof(icmp));
		sum = l4_sum(p, at, bytes);
		memcpy(at + offsetof(struct icmphdr, checksum), &sum, sizeof(sum));
	}
}

int explain_frame_make(const struct explain_packet *p, uint8_t *ret, size_t max, struct errmsg *err)
{
	bool v4 = addr_is_v4(&p->source);
	size_t ip = v4 ? sizeof(struct iphdr) : sizeof(struct ip6_hdr);
	size_t least = ETHER_HDR_LEN + ip + l4_bytes(p->proto);
	size_t bytes = p->bytes ? p->bytes : least;
	struct ether_header eth = { .ether_dhost = { 2, 0, 0, 0, 0, 1 },
				    .ether_shost = { 2, 0, 0, 0, 0, 2 },
				    .ether_type = htons(v4 ? ETHERTYPE_IP : ETHERTYPE_IPV6) };

	if (v4 != addr_is_v4(&p->dst))
		return errmsg_set(err, -EINVAL, "one address is IPv4 and the other IPv6");
	if (bytes < least || bytes > max)
		return errmsg_set(err, -EINVAL,
				  "bytes=%u: such a frame, link header included, has from %zu to "
				  "%zu",
				  p->bytes, least, max);
	memset(ret, 0, bytes);
	memcpy(ret, &eth, sizeof(eth));
	if (v4)
		make_v4(p, ret + ETHER_HDR_LEN, bytes - ETHER_HDR_LEN);
	else
		make_v6(p, ret + ETHER_HDR_LEN, bytes - ETHER_HDR_LEN);
	make_l4(p, ret + ETHER_HDR_LEN + ip, bytes - ETHER_HDR_LEN - ip);
	return (int)bytes;
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int explain_frame_hex(const char *text, uint8_t *ret, size_t max, struct errmsg *err)
{
	size_t len = strlen(text), i;

	if (len % 2 || len / 2 > max)
		return errmsg_set(err, -EINVAL,
				  "frame= is two hexadecimal digits a byte, at most %zu bytes",
				  max);
	for (i = 0; i < len / 2; i++) {
		int high = nibble(text[2 * i]), low = nibble(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return errmsg_set(err, -EINVAL, "frame=: '%.2s' is no byte in hexadecimal",
					  text + 2 * i);
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return (int)i;
}

int explain_frame_flags(const char *text, uint8_t *ret, struct errmsg *err)
{
	uint8_t flags = 0;

	while (*text) {
		size_t n = strcspn(text, ","), i;

		for (i = 0; i < 8; i++) {
			if (strlen(flag_names[i]) == n && !strncmp(text, flag_names[i], n))
				break;
		}
		if (i == 8)
			return errmsg_set(
				err, -EINVAL,
				"flags=: '%.*s' is none of fin,syn,rst,psh,ack,urg,ece,cwr",
				n < 16 ? (int)n : 16, text);
		flags |= (uint8_t)(1 << i);
		text += n + (text[n] == ',');
	}
	*ret = flags;
	return 0;
}

/* A text that grows; what has no room is cut. */
struct line {
	char *text;
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void say(struct line *l, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(l->text + l->len, EXPLAIN_FRAME_TEXT - l->len, format, args);
	va_end(args);
	if (n > 0)
		l->len += (size_t)n < EXPLAIN_FRAME_TEXT - l->len ? (size_t)n
								  : EXPLAIN_FRAME_TEXT - 1 - l->len;
}

static uint16_t read_16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void say_flags(struct line *l, uint8_t flags)
{
	const char *gap = " ";

	for (int i = 0; i < 8; i++) {
		if (!(flags >> i & 1))
			continue;
		say(l, "%s%s", gap, flag_names[i]);
		gap = ",";
	}
}

/* Its protocol and ports; where the packet inside begins, NULL: there is none that is known. */
static const uint8_t *say_l4(struct line *l, uint8_t proto, const uint8_t *at, const uint8_t *end)
{
	if (proto == IPPROTO_IPIP || proto == IPPROTO_IPV6) {
		say(l, " ipip");
		return at;
	}
	if ((proto == IPPROTO_TCP || proto == IPPROTO_UDP) && end - at >= 8)
		say(l, " %s %u > %u", proto == IPPROTO_TCP ? "tcp" : "udp", read_16(at),
		    read_16(at + 2));
	else if ((proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6) && end - at >= 8)
		say(l, " %s type %u code %u", proto == IPPROTO_ICMP ? "icmp" : "icmp6", at[0],
		    at[1]);
	else
		say(l, " protocol %u", proto);
	if (proto == IPPROTO_TCP && end - at >= 14)
		say_flags(l, at[13]);
	if ((proto == IPPROTO_ICMP && end - at >= 8 && at[0] == 3 && at[1] == 4))
		say(l, " mtu %u", read_16(at + 6));
	if (proto == IPPROTO_ICMPV6 && end - at >= 8 && at[0] == 2)
		say(l, " mtu %u", (unsigned int)read_16(at + 4) << 16 | read_16(at + 6));
	return proto == IPPROTO_UDP && end - at > 8 ? at + 8 : NULL;
}

/* One IP header and what it carries; as say_l4. */
static const uint8_t *say_ip(struct line *l, const uint8_t *at, const uint8_t *end)
{
	struct addr from = { .w = { 0, 0, htonl(0xffff), 0 } }, to = from;
	char a[ADDR_TEXT_MAX], b[ADDR_TEXT_MAX];
	size_t have = (size_t)(end - at), header;
	bool v4 = have >= 20 && at[0] >> 4 == 4;
	uint8_t proto, ttl;

	if (!v4 && (have < 40 || at[0] >> 4 != 6))
		return NULL;
	memcpy(v4 ? &from.w[3] : &from.w[0], at + (v4 ? 12 : 8), v4 ? 4 : 16);
	memcpy(v4 ? &to.w[3] : &to.w[0], at + (v4 ? 16 : 24), v4 ? 4 : 16);
	header = v4 ? (at[0] & 15) * 4U : 40;
	proto = v4 ? at[9] : at[6];
	ttl = v4 ? at[8] : at[7];
	say(l, "%s > %s", addr_format(&from, a), addr_format(&to, b));
	if (header > have)
		return NULL;
	if (v4 && read_16(at + 6) & 0x1fff) {
		say(l, " later fragment of protocol %u", proto);
		return NULL;
	}
	at = say_l4(l, proto, at + header, end);
	say(l, ", ttl %u", ttl);
	return at;
}

static size_t l3_of(const uint8_t *frame, size_t bytes)
{
	size_t at = ETHER_HDR_LEN;

	for (int tags = 0; tags < VLAN_TAGS && at + 4 <= bytes; tags++) {
		uint16_t type = read_16(frame + at - 2);

		if (type != ETHERTYPE_VLAN && type != 0x88a8)
			break;
		at += 4;
	}
	return at;
}

const char *explain_frame_text(const uint8_t *frame, size_t bytes, bool has_outer,
			       char ret[EXPLAIN_FRAME_TEXT])
{
	struct line l = { .text = ret };
	const uint8_t *end = frame + bytes;
	const uint8_t *at = bytes >= ETHER_HDR_LEN ? frame + l3_of(frame, bytes) : end;

	ret[0] = '\0';
	at = say_ip(&l, at, end);
	if (has_outer && at) {
		say(&l, "; in it ");
		say_ip(&l, at, end);
	}
	if (!l.len)
		say(&l, "no IP");
	say(&l, ", %zu bytes", bytes);
	return ret;
}

const char *explain_frame_link(const uint8_t *frame, size_t bytes, char ret[64])
{
	const uint8_t *m = frame;

	ret[0] = '\0';
	if (bytes >= ETHER_HDR_LEN)
		snprintf(ret, 64, "%02x:%02x:%02x:%02x:%02x:%02x > %02x:%02x:%02x:%02x:%02x:%02x",
			 m[6], m[7], m[8], m[9], m[10], m[11], m[0], m[1], m[2], m[3], m[4], m[5]);
	return ret;
}
