/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the edge answers itself: echo requests to vips (RFC 792, RFC 4443 s4.1), and "fragmentation
 * needed" or "packet too big" (RFC 1191, RFC 4443 s3.2) for who sends more than fits to his backend.
 */
#include <string.h>

#include "model_bytes.h"
#include "model_meter.h"

/* RFC 1812 s4.3.2.3: at most 576 bytes in all; RFC 4443 s2.4 (c): the least MTU of IPv6. */
#define ERROR_V4 576
#define ERROR_V6 1280
#define HOPS	 64

/* So many a second, and a tenth of them, though at least one, at once. */
static bool spend(__u64 *tat, uint32_t per_s, uint64_t now_ns)
{
	struct gcra_rate rate = { .mult = GCRA_FP_PER_S / per_s,
				  .tolerance_fp = GCRA_FP_PER_S / 10 };
	model_time now = meter_now(now_ns);

	if (rate.tolerance_fp < rate.mult)
		rate.tolerance_fp = rate.mult;
	return meter_has(tat, &rate, now, 1, true) && meter_take(tat, &rate, now, 1);
}

/* Has it an address that somebody can be answered at: RFC 1122 s3.2.2, RFC 4443 s2.4 (e)? */
static bool is_somebody(const struct model_packet *p)
{
	static const uint8_t zeros[12];

	if (p->ipv6) /* neither a group's, nor none, nor ::1 */
		return p->source.b[0] != 0xff && memcmp(p->source.b, zeros, sizeof(zeros)) != 0;
	return p->source.b[12] != 0 && p->source.b[12] != 127 && p->source.b[12] < 224;
}

static bool is_for_one(const struct model_packet *p)
{
	return !(p->frame->bytes[0] & 1);
}

static void turn_link(const struct model_packet *p)
{
	bytes_swap(p->frame->bytes, p->frame->bytes + 6, 6);
}

static void echo_turn(const struct model_packet *p)
{
	uint8_t *ip = p->frame->bytes + p->l2_bytes, *icmp = ip + (p->ipv6 ? 40 : 20);
	uint32_t hop = bytes_16(ip + 8), type = bytes_16(icmp), sum;

	turn_link(p);
	if (p->ipv6) {
		bytes_swap(ip + 8, ip + 24, 16);
		ip[7] = HOPS;
	} else {
		bytes_swap(ip + 12, ip + 16, 4);
		ip[8] = HOPS;
		bytes_put_16(ip + 10, bytes_changed(bytes_16(ip + 10), hop, bytes_16(ip + 8)));
	}
	icmp[0] = p->ipv6 ? 129 : 0;
	sum = bytes_changed(bytes_16(icmp + 2), type, bytes_16(icmp));
	/* Of nothing but zeros the sum is 0, and what is sent its complement. */
	bytes_put_16(icmp + 2, sum ? sum : 0xffff);
}

enum model_fate model_echo(struct model *m, struct model_packet *p)
{
	const struct model_policy *policy = &m->policy;
	uint32_t plain_bytes = p->l2_bytes + (p->ipv6 ? 40 : 20) + 8;

	if (!p->echo || !policy->echo_per_s || !policy->n_vip || p->fragment ||
	    p->headers_bytes != plain_bytes || !is_somebody(p) || !is_for_one(p) ||
	    !model_vip_echoes(policy, p))
		return MODEL_NEXT;
	if (!spend(&m->state.echo_tat, policy->echo_per_s, p->frame->now_ns))
		return model_drop(p, DROP_ECHO);
	echo_turn(p);
	return MODEL_REPLY;
}

/* From the vip to who sent what is behind these headers, which they are put before. */
static void error_ip(const struct model_packet *p, uint8_t *ip, uint32_t bytes)
{
	memset(ip, 0, p->ipv6 ? 40 : 20);
	if (p->ipv6) {
		bytes_put_16(ip, 0x6c00); /* internetwork control: RFC 1812 s4.3.2.5 */
		bytes_put_16(ip + 4, bytes - 40);
		ip[6] = 58;
		ip[7] = HOPS;
		memcpy(ip + 8, p->flow.dst.b, 16);
		memcpy(ip + 24, p->flow.src.b, 16);
		return;
	}
	bytes_put_16(ip, 0x45c0);
	bytes_put_16(ip + 2, bytes);
	ip[6] = 0x40; /* don't fragment: RFC 6864 s4.1, it has no id */
	ip[8] = HOPS;
	ip[9] = 1;
	memcpy(ip + 12, p->flow.dst.b + 12, 4);
	memcpy(ip + 16, p->flow.src.b + 12, 4);
	bytes_put_16(ip + 10, bytes_checksum(ip, 20));
}

static void error_icmp(const struct model_packet *p, uint8_t *icmp, uint32_t bytes)
{
	uint32_t sum = 0;

	bytes_put_16(icmp, p->ipv6 ? 0x0200 : 0x0304);
	bytes_put_16(icmp + 2, 0);
	bytes_put_32(icmp + 4, p->backend->mtu);
	if (p->ipv6) /* its pseudo-header: RFC 8200 s8.1 */
		sum = bytes_sum(bytes + 58, icmp - 32, 32);
	bytes_put_16(icmp + 2, bytes_sum(sum, icmp, bytes) ^ 0xffff);
}

static enum model_fate too_big(struct model *m, struct model_packet *p)
{
	uint32_t bytes = p->ipv6 ? ERROR_V6 : ERROR_V4, headers = (p->ipv6 ? 40 : 20) + 8;
	uint8_t *ip = p->frame->bytes + p->l2_bytes;

	model_drop(p, DROP_TOO_BIG);
	if (p->fragment || p->quotes || p->l3_bytes < bytes - headers || !is_somebody(p) ||
	    !is_for_one(p) || (p->frame->tags_refused && p->l2_bytes > 14) ||
	    !spend(&m->state.too_big_tat, m->policy.too_big_per_s, p->frame->now_ns))
		return MODEL_DROP;
	memmove(ip + headers, ip, bytes - headers);
	error_ip(p, ip, bytes);
	error_icmp(p, ip + headers - 8, bytes - headers + 8);
	turn_link(p);
	p->frame->len = p->l2_bytes + bytes;
	return MODEL_REPLY;
}

enum model_fate model_mtu(struct model *m, struct model_packet *p)
{
	uint32_t l3_bytes = p->l3_bytes;

	/* Merged packets leave as they came, so one of them has to fit. */
	if (p->frame->segment_bytes)
		l3_bytes = p->headers_bytes - p->l2_bytes + p->frame->segment_bytes;
	return l3_bytes > p->backend->mtu ? too_big(m, p) : MODEL_NEXT;
}
