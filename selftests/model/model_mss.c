/* SPDX-License-Identifier: BSD-2-Clause */
/* The segment size of SYNs, by the text of RFC 9293 s3.2: docs/feature/vip.md. */
#include "model_bytes.h"

#define TCP_SYN 0x02

/* One word of what a checksum covers becomes another: RFC 1624 s3, equation 3. */
static void put_word(uint8_t *tcp, uint32_t at, uint8_t high, uint8_t low)
{
	uint32_t sum = (bytes_16(tcp + 16) ^ 0xffff) + (bytes_16(tcp + at) ^ 0xffff);

	tcp[at] = high;
	tcp[at + 1] = low;
	sum += bytes_16(tcp + at);
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	tcp[16] = (uint8_t)(~sum >> 8);
	tcp[17] = (uint8_t)~sum;
}

/* The byte, with the checksum of the word that it is in. */
static void put_byte(uint8_t *tcp, uint32_t at, uint8_t value)
{
	if (at % 2)
		put_word(tcp, at - 1, tcp[at - 1], value);
	else
		put_word(tcp, at, value, tcp[at + 1]);
}

/* Where the last size offered is, 0 for none; up to 24 options are read. */
static uint32_t find(const uint8_t *tcp, uint32_t bytes)
{
	uint32_t at = 20, found = 0, i, n;

	for (i = 0; i < 24 && at < bytes && tcp[at] != 0; i++) {
		n = tcp[at] == 1 ? 1 : at + 1 < bytes ? tcp[at + 1] : 0;
		if (n == 0 || (n == 1 && tcp[at] != 1) || at + n > bytes)
			break;
		if (tcp[at] == 2 && n == 4)
			found = at + 2;
		at += n;
	}
	return found;
}

/* What a packet offers that has the flag, to that size. */
static void lower(struct model_packet *p, uint32_t size)
{
	const uint8_t *ip = p->frame->bytes + p->l2_bytes;
	uint32_t ip_bytes = p->ipv6 ? 40 : (ip[0] & 15) * 4U, at;
	uint8_t *tcp = p->frame->bytes + p->l2_bytes + ip_bytes;

	if (p->fragment || p->quotes || !size || (p->ipv6 && ip[6] != 6) || !(tcp[13] & TCP_SYN))
		return;
	at = find(tcp, p->headers_bytes - p->l2_bytes - ip_bytes);
	if (!at || bytes_16(tcp + at) <= size)
		return;
	put_byte(tcp, at, (uint8_t)(size >> 8));
	put_byte(tcp, at + 1, (uint8_t)size);
}

void model_mss(struct model_packet *p)
{
	if (p->syn)
		lower(p, p->backend->mss);
}

void model_mss_back(struct model_packet *p, const struct backend *b)
{
	if (p->proto == 6 && p->tcp_ack)
		lower(p, b->mss);
}
