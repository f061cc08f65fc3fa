/* SPDX-License-Identifier: BSD-2-Clause */
/* The segment size that a SYN offers, lowered to what its backend's record says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "lib/proto.h"
#include "plane_case.h"
#include "sluice/algo/csum.h"

#define VIP_V4 "192.0.2.10"
#define VIP_V6 "2001:db8:2::10"
#define SIZE   1400

/* What a SYN has behind its fixed header, and what becomes of it; 0: the same. */
struct option_row {
	const char *sentence;
	uint8_t bytes[24];
	uint32_t n;
	uint8_t after[24];
	uint8_t tcp_flags; /* 0: a SYN */
	bool extension;	   /* IPv6: behind a destination option */
	bool fragment;
};

#define SIZE_1460 2, 4, 0x05, 0xb4
#define SIZE_1400 2, 4, 0x05, 0x78

static const struct option_row rows[] = {
	{ "an offer above it is lowered", { SIZE_1460 }, 4, .after = { SIZE_1400 } },
	{ "so is one in two words of the sum",
	  { 1, SIZE_1460, 1, 1, 1 },
	  8,
	  .after = { 1, SIZE_1400, 1, 1, 1 } },
	{ "and one behind others",
	  { 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, SIZE_1460 },
	  16,
	  .after = { 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, SIZE_1400 } },
	{ "of several, the last",
	  { 2, 4, 9, 9, SIZE_1460 },
	  8,
	  .after = { 2, 4, 9, 9, SIZE_1400 } },
	{ "an offer of the same stays", { SIZE_1400 }, 4, .after = { 0 } },
	{ "an offer below it stays", { 2, 4, 0x02, 0x18 }, 4, .after = { 0 } },
	{ "without an offer nothing is added", { 1, 1, 1, 1 }, 4, .after = { 0 } },
	{ "without options", { 0 }, 0, .after = { 0 } },
	{ "an offer behind the end of options", { 0, SIZE_1460, 0, 0, 0 }, 8, .after = { 0 } },
	{ "an option of another length", { 2, 3, 0x05, 0xb4 }, 4, .after = { 0 } },
	{ "an option that ends behind the header", { 1, 1, 2, 4 }, 4, .after = { 0 } },
	{ "an option without length", { 3, 0, SIZE_1460, 1, 1 }, 8, .after = { 0 } },
	{ "a SYN-ACK is nobody's here",
	  { SIZE_1460 },
	  4,
	  .tcp_flags = TCP_SYN_FLAG | TCP_ACK_FLAG },
	{ "no SYN", { SIZE_1460 }, 4, .tcp_flags = TCP_ACK_FLAG },
	{ "behind an extension header", { SIZE_1460 }, 4, .extension = true },
	{ "in a fragment", { SIZE_1460 }, 4, .fragment = true },
};

static void balance(struct plane *p, uint16_t size, enum backend_mode mode)
{
	const struct backend b = { .addr = packet_addr("fd00:2::7"),
				   .source = packet_addr("fd00:1::1"),
				   .ifindex = PLANE_LOOPBACK,
				   .mtu = 1500,
				   .flags = BACKEND_READY,
				   .mode = (uint8_t)mode,
				   .dst_mac = { 2, 0xbb },
				   .src_mac = { 2, 0xee },
				   .mss = size };
	const uint32_t id = 1;

	assert_int_equal(bpf_map_update_elem(plane_map(p, "backends"), &id, &b, BPF_ANY), 0);
	plane_ring(p, 1, 1, 1);
	plane_vip(p, 1, VIP_V4, 80, PROTO_TCP, 0);
	plane_vip(p, 1, VIP_V6, 80, PROTO_TCP, 0);
	plane_vip_fragments(p, VIP_V4, 80, PROTO_TCP);
}

static uint64_t sum_of(const struct packet *p, bool v6)
{
	const uint32_t bytes = p->len - p->l4;
	const uint8_t pseudo[4] = { 0, PROTO_TCP, (uint8_t)(bytes >> 8), (uint8_t)bytes };
	uint64_t sum = csum_add_bytes(0, pseudo, 4);

	sum = csum_add_bytes(sum, p->bytes + p->l3 + (v6 ? 8 : 12), v6 ? 32 : 8);
	return csum_add_bytes(sum, p->bytes + p->l4, bytes);
}

/* A SYN with these options, its checksum right. */
static void make_syn(const struct option_row *row, bool v6, uint32_t tags, struct packet *ret)
{
	const struct packet_spec spec = { .src = v6 ? "2001:db8:1::7" : "198.51.100.7",
					  .dst = v6 ? VIP_V6 : VIP_V4,
					  .proto = PROTO_TCP,
					  .sport = 4000,
					  .dport = 80,
					  .tags = tags,
					  .tcp_flags =
						  row->tcp_flags ? row->tcp_flags : TCP_SYN_FLAG,
					  .tcp_option_bytes = row->n,
					  .ext = { v6 && row->extension ? PROTO_DEST_OPTIONS : 0 },
					  .frag_more = !v6 && row->fragment,
					  .payload_bytes = 8 };
	__sum16 sum;

	packet_build(&spec, ret);
	memcpy(ret->bytes + ret->l4 + 20, row->bytes, row->n);
	memset(ret->bytes + ret->l4 + 16, 0, 2);
	sum = csum_fold(sum_of(ret, v6));
	memcpy(ret->bytes + ret->l4 + 16, &sum, 2);
}

static bool is_changed(const struct option_row *row)
{
	return row->after[0] || row->after[1];
}

static void check_row(struct plane *p, const struct option_row *row, bool v6, uint32_t tags)
{
	struct packet in, out;

	make_syn(row, v6, tags, &in);
	plane_run(p, &in, &out);
	assert_int_equal(out.len, in.len);
	assert_int_equal(out.bytes[1], 0xbb); /* it was sent on */
	out.l3 = in.l3;
	out.l4 = in.l4;
	assert_int_equal(csum_fold(sum_of(&out, v6)), 0);
	if (!is_changed(row)) {
		assert_memory_equal(out.bytes + 12, in.bytes + 12, in.len - 12);
		return;
	}
	assert_memory_equal(out.bytes + in.l4 + 20, row->after, row->n);
	/* But for this and the checksum it is what it was. */
	memcpy(out.bytes + in.l4 + 20, row->bytes, row->n);
	memcpy(out.bytes + in.l4 + 16, in.bytes + in.l4 + 16, 2);
	assert_memory_equal(out.bytes + 12, in.bytes + 12, in.len - 12);
}

static void test_options(struct plane *p, const void *at)
{
	const struct option_row *row = at;

	balance(p, SIZE, BACKEND_L2);
	if (!row->extension) {
		check_row(p, row, false, 0);
		check_row(p, row, false, 2);
	}
	if (!row->fragment) {
		check_row(p, row, true, 0);
		check_row(p, row, true, 1);
	}
}

static void test_off(struct plane *p, const void *at)
{
	static const struct option_row as_it_is = { .bytes = { SIZE_1460 }, .n = 4 };

	(void)at;
	balance(p, 0, BACKEND_L2);
	check_row(p, &as_it_is, false, 0);
	check_row(p, &as_it_is, true, 0);
}

/* Lowered inside of outer headers, too. */
static void test_tunnel(struct plane *p, const void *at)
{
	struct packet in, out;
	uint32_t mode;

	(void)at;
	for (mode = BACKEND_IPIP; mode <= BACKEND_GUE; mode++) {
		const uint32_t outer = mode == BACKEND_GUE ? 48 : 40;

		balance(p, SIZE, (enum backend_mode)mode);
		make_syn(&rows[1], false, 0, &in);
		plane_run(p, &in, &out);
		assert_int_equal(out.len, in.len + outer);
		assert_memory_equal(out.bytes + outer + in.l4 + 20, rows[1].after, rows[1].n);
		out.l3 = in.l3 + outer;
		out.l4 = in.l4 + outer;
		assert_int_equal(csum_fold(sum_of(&out, false)), 0);
	}
}

/* Offers of all kinds, in one word of the sum and in two: the checksum stays right. */
static void test_checksums(struct plane *p, const void *at)
{
	struct option_row row = rows[1];
	struct packet in, out;
	uint32_t i;

	(void)at;
	balance(p, SIZE, BACKEND_L2);
	for (i = 0; i < 65536; i += 127) {
		const uint32_t k = 1 + i % 2; /* where the option is */
		const uint32_t wanted = i < SIZE ? i : SIZE;

		memset(row.bytes, 1, sizeof(row.bytes));
		memcpy(row.bytes + k, (uint8_t[4]) { 2, 4, (uint8_t)(i >> 8), (uint8_t)i }, 4);
		make_syn(&row, false, 0, &in);
		plane_run(p, &in, &out);
		out.l3 = in.l3;
		out.l4 = in.l4;
		if (csum_fold(sum_of(&out, false)) || out.bytes[in.l4 + 22 + k] != wanted >> 8 ||
		    out.bytes[in.l4 + 23 + k] != (wanted & 0xff))
			fail_msg("%u", i);
	}
}

int main(void)
{
	plane_case_shared(true);
	plane_case_table(test_options, rows, sizeof(rows[0]), sizeof(rows) / sizeof(rows[0]));
	plane_case_add("where it is off, a SYN stays as it is", test_off);
	plane_case_add("inside of outer headers", test_tunnel);
	plane_case_add("checksums of all kinds", test_checksums);
	return plane_case_run("mss");
}
