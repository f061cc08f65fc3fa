/* SPDX-License-Identifier: BSD-2-Clause */
/* Link, VLAN and IP headers: IEEE 802.1Q, RFC 791, RFC 8200, and docs/packet-path.md's table. */
#include <string.h>

#include "model_bytes.h"

#define TAGS_MAX 2
#define EXT_MAX	 8

static bool is_tag(uint32_t type)
{
	return type == 0x8100 || type == 0x88a8 || type == 0x9100;
}

/* IANA's list of IPv6 extension headers, ESP aside: what follows it cannot be read. */
static bool is_extension(uint32_t next)
{
	static const uint8_t headers[] = { 0, 43, 44, 51, 60, 135, 139, 140 };

	return memchr(headers, (int)next, sizeof(headers)) != NULL;
}

static bool is_mapped(const uint8_t *a)
{
	static const uint8_t start[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(a, start, sizeof(start)) == 0;
}

static bool is_known(const struct model_packet *p)
{
	return p->proto == 6 || p->proto == 17 || p->proto == (p->ipv6 ? 58 : 1);
}

/* A fragment without the beginning of its datagram: source and protocol are all there is. */
static enum model_fate later_fragment(const struct model_policy *policy, struct model_packet *p,
				      uint32_t offset_bytes)
{
	p->kind = LIMIT_KIND_FRAGMENT;
	if (p->proto == 6 && offset_bytes == 8) /* RFC 3128: would overwrite TCP's flags */
		return model_drop(p, DROP_MALFORMED);
	if (!is_known(p) && policy->unknown_l4_drop)
		return model_drop(p, DROP_UNKNOWN_L4);
	return MODEL_NEXT;
}

static enum model_fate ipv4(const struct model_policy *policy, struct model_packet *p, uint32_t at)
{
	uint32_t left = p->frame->len - at, header_bytes, fragment;
	const uint8_t *ip;

	if (left < 20)
		return model_drop(p, DROP_MALFORMED);
	if (!bytes_readable(p, at, 20))
		return model_drop(p, DROP_EXT_HEADERS);
	ip = p->frame->bytes + at;
	header_bytes = (ip[0] & 15U) * 4;
	p->l3_bytes = bytes_16(ip + 2);
	if (p->l3_bytes == 0 && p->frame->segment_bytes)
		p->l3_bytes = left;
	if (ip[0] >> 4 != 4 || header_bytes < 20 || p->l3_bytes < header_bytes ||
	    p->l3_bytes > left)
		return model_drop(p, DROP_MALFORMED);
	p->flow.src = bytes_addr_v4(ip + 12);
	p->flow.dst = bytes_addr_v4(ip + 16);
	p->source = p->flow.src;
	p->proto = ip[9];
	p->flow.proto = ip[9];
	p->headers_bytes = at + header_bytes;
	fragment = bytes_16(ip + 6) & 0x3fff; /* the bit "more", and the offset */
	p->fragment = fragment != 0;
	if (fragment & 0x1fff)
		return later_fragment(policy, p, (fragment & 0x1fff) * 8);
	return model_l4(policy, p, at + header_bytes, at + p->l3_bytes);
}

/* RFC 4861 s6.1, s7.1: 133..137 directly behind the header, and never from beyond the link. */
static bool is_discovery(const struct model_packet *p, uint32_t at, uint32_t end)
{
	const uint8_t *ip = p->frame->bytes + at;

	return ip[6] == 58 && ip[7] == 255 && end - at >= 48 && bytes_readable(p, at + 40, 8) &&
	       ip[40] >= 133 && ip[40] <= 137;
}

/* RFC 8200 s4; AH counts words of 4 bytes less 2 (RFC 4302 s2.2). */
static uint32_t extension_bytes(uint8_t number, const uint8_t *header)
{
	if (number == 44)
		return 8;
	return number == 51 ? (header[1] + 2U) * 4 : (header[1] + 1U) * 8;
}

/* From *at to the transport, or to what a later fragment holds; *offset of the fragment in bytes. */
static enum model_fate extensions(struct model_packet *p, uint32_t *at, uint32_t end,
				  uint32_t *offset)
{
	uint32_t n, bytes;

	for (n = 0; is_extension(p->proto) && *offset == 0; n++) {
		const uint8_t *header = p->frame->bytes + *at;

		if (n == EXT_MAX)
			return model_drop(p, DROP_EXT_HEADERS);
		if (end - *at < 8)
			return model_drop(p, DROP_MALFORMED);
		if (!bytes_readable(p, *at, 8))
			return model_drop(p, DROP_EXT_HEADERS);
		/* What comes behind a fragment header, its later fragments cannot know. */
		p->portless |= p->fragment;
		if (p->proto == 44) {
			*offset = bytes_16(header + 2) & 0xfff8;
			p->fragment |= *offset != 0 || (header[3] & 1);
		}
		bytes = extension_bytes(p->proto, header);
		p->proto = header[0];
		if (end - *at < bytes)
			return model_drop(p, DROP_MALFORMED);
		*at += bytes;
	}
	return MODEL_NEXT;
}

static enum model_fate ipv6(const struct model_policy *policy, struct model_packet *p, uint32_t at)
{
	uint32_t left = p->frame->len - at, end, offset = 0;
	const uint8_t *ip = p->frame->bytes + at;
	enum model_fate fate;

	if (left < 40)
		return model_drop(p, DROP_MALFORMED);
	if (!bytes_readable(p, at, 40))
		return model_drop(p, DROP_EXT_HEADERS);
	p->ipv6 = true;
	p->l3_bytes = 40 + bytes_16(ip + 4);
	if (bytes_16(ip + 4) == 0 && p->frame->segment_bytes)
		p->l3_bytes = left;
	if (ip[0] >> 4 != 6 || p->l3_bytes > left || is_mapped(ip + 8) || is_mapped(ip + 24))
		return model_drop(p, DROP_MALFORMED);
	memcpy(p->flow.src.b, ip + 8, 16);
	memcpy(p->flow.dst.b, ip + 24, 16);
	p->source = p->flow.src;
	end = at + p->l3_bytes;
	if (is_discovery(p, at, end))
		return MODEL_PASS;
	p->proto = ip[6];
	at += 40;
	fate = extensions(p, &at, end, &offset);
	if (fate != MODEL_NEXT)
		return fate;
	p->flow.proto = p->proto;
	p->headers_bytes = at;
	if (offset)
		return later_fragment(policy, p, offset);
	return model_l4(policy, p, at, end);
}

/* Past the link header and at most two tags: where the IP header begins, and its type. */
static enum model_fate link_header(struct model_packet *p, uint32_t *type)
{
	uint32_t tags;

	for (tags = 0; tags <= TAGS_MAX; tags++) {
		p->l2_bytes = 14 + 4 * tags;
		if (p->frame->len < p->l2_bytes)
			return model_drop(p, DROP_MALFORMED);
		if (!bytes_readable(p, 0, p->l2_bytes))
			return model_drop(p, DROP_EXT_HEADERS);
		*type = bytes_16(p->frame->bytes + p->l2_bytes - 2);
		if (!is_tag(*type))
			return MODEL_NEXT;
	}
	return model_drop(p, DROP_MALFORMED);
}

/*
 * As many frames as it was merged of, each with the headers. Where the stack does not say how many,
 * as many as the payload fills.
 */
static void count_merged(struct model_packet *p)
{
	uint32_t payload_bytes = p->frame->len - p->headers_bytes;

	if (p->packets == 1 && p->frame->segment_bytes && payload_bytes)
		p->packets =
			(payload_bytes + p->frame->segment_bytes - 1) / p->frame->segment_bytes;
	p->wire_bytes += (p->packets - 1) * p->headers_bytes;
}

enum model_fate model_parse(const struct model_policy *policy, struct model_packet *p)
{
	enum model_fate fate;
	uint32_t type = 0;

	p->wire_bytes = p->frame->len;
	fate = link_header(p, &type);
	if (fate != MODEL_NEXT)
		return fate;
	if (type != 0x0800 && type != 0x86dd)
		return MODEL_PASS;
	fate = type == 0x0800 ? ipv4(policy, p, p->l2_bytes) : ipv6(policy, p, p->l2_bytes);
	if (fate == MODEL_NEXT || p->reason == DROP_UNKNOWN_L4)
		count_merged(p);
	return fate;
}
