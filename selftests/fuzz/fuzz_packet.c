/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The packet parser, the same source as in the kernel, on hostile frames. Beyond memory safety, it
 * checks what later stages rely on.
 *
 * Input: a byte that says how many of the last bytes cannot be read directly (another buffer), a
 * byte of segments that were merged (TC), then the frame.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "stage/parse_l4.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

/* A packet that goes on is one whose parts are where its headers say. */
static void check_next(const struct pkt *p, uint32_t merged)
{
	CHECK(p->l2_bytes >= sizeof(struct ethhdr));
	CHECK(p->l2_bytes <= sizeof(struct ethhdr) + 2 * sizeof(struct vlan_hdr));
	CHECK(p->l3_bytes >= (p->flags & PKT_IPV6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)));
	CHECK(p->l2_bytes + p->l3_bytes <= p->frame_bytes);
	CHECK(p->wire_bytes >= p->frame_bytes);
	CHECK(merged > 1 || p->wire_bytes == p->frame_bytes);
	CHECK(merged <= 1 || (p->header_bytes > p->l2_bytes && p->header_bytes <= p->frame_bytes));
	CHECK(address_is_mapped(&p->source) == !(p->flags & PKT_IPV6));
	CHECK(address_is_mapped(&p->flow.dst) == !(p->flags & PKT_IPV6));
	CHECK(!(p->flags & PKT_SYN) || p->proto == PROTO_TCP);
	CHECK(p->reason == DROP_NONE);
}

/* What an error quotes is about a flow of ours, and never changes who sent the error. */
static void check_quoted(const struct pkt *p)
{
	if (!(p->flags & PKT_QUOTES)) {
		CHECK(p->flow.proto == p->proto);
		CHECK(memcmp(&p->flow.src, &p->source, sizeof(p->source)) == 0);
		return;
	}
	CHECK(p->proto == PROTO_ICMP || p->proto == PROTO_ICMPV6);
	CHECK(p->flow.proto == PROTO_TCP || p->flow.proto == PROTO_UDP);
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	enum stage_result result;
	struct pkt p = { 0 };
	uint32_t linear, merged;
	uint8_t *memory;

	if (len < 2 || len > 65536)
		return 0;
	p.frame_bytes = (uint32_t)len - 2;
	linear = in[0] < p.frame_bytes ? p.frame_bytes - in[0] : p.frame_bytes;
	merged = in[1];
	p.packets = merged ? merged : 1;
	p.segment_bytes = merged > 1 ? 100 : 0;
	/* The IP header is aligned as drivers align it; the end is the allocation's. */
	memory = malloc(linear + 2);
	CHECK(memory);
	memcpy(memory + 2, in + 2, linear);

	result = stage_parse(&p, memory + 2, memory + 2 + linear);
	CHECK(result == STAGE_NEXT || result == STAGE_PASS || result == STAGE_DROP);
	if (result == STAGE_NEXT) {
		check_next(&p, merged);
		check_quoted(&p);
	}
	CHECK((result == STAGE_DROP) == (p.reason != DROP_NONE));
	CHECK(p.reason == DROP_NONE || p.reason == DROP_MALFORMED || p.reason == DROP_EXT_HEADERS);
	free(memory);
	return 0;
}
