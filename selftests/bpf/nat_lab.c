/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "nat_lab.h"

static void set(const struct plane *p, const char *map, uint32_t key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(plane_map(p, map), &key, value, BPF_ANY), 0);
}

static void put_vip(struct plane *p, uint32_t id, const char *address, uint8_t proto)
{
	struct vip_key key = { .addr = packet_addr(address), .port = htons(80), .proto = proto };
	struct vip vip;

	plane_vip(p, id, address, 80, proto, 0);
	assert_int_equal(bpf_map_lookup_elem(plane_map(p, "vips"), &key, &vip), 0);
	vip.flags = VIP_NAT;
	assert_int_equal(bpf_map_update_elem(plane_map(p, "vips"), &key, &vip, BPF_ANY), 0);
	plane_vip_fragments(p, address, 80, proto);
}

static void put_backend(struct plane *p, uint32_t id, const char *address)
{
	struct backend b = { .addr = packet_addr(address),
			     .ifindex = PLANE_LOOPBACK,
			     .mtu = 1500,
			     .flags = BACKEND_READY,
			     .mode = BACKEND_NAT,
			     .generation = 1,
			     .dst_mac = { 0x02, 0xbb, 0, 0, 0, 1 },
			     .src_mac = { 0x02, 0xee, 0, 0, 0, 1 },
			     .vip_id = id,
			     .port = htons(NAT_BACKEND_PORT) };

	set(p, "backends", id, &b);
	plane_ring(p, id, id, 1);
}

void nat_lab_open(struct plane *p, bool routed)
{
	struct nat_state state = {
		.is_on = 1,
		.max_flows = NAT_LAB_FLOWS,
		.max_young = NAT_LAB_YOUNG,
		.timeout_ns = { 60 * PLANE_SECOND, 7440 * PLANE_SECOND, 240 * PLANE_SECOND,
				10 * PLANE_SECOND, 30 * PLANE_SECOND, 120 * PLANE_SECOND },
	};
	struct nat_vip v4 = { .n_sources = !routed, .source = { packet_addr(NAT_EDGE_4) } };
	struct nat_vip v6 = { .n_sources = !routed, .source = { packet_addr(NAT_EDGE_6) } };

	nat_lab_state_set(p, &state);
	put_backend(p, 1, NAT_BACKEND_4);
	put_backend(p, 2, NAT_BACKEND_6);
	set(p, "nat_vip", 1, &v4);
	set(p, "nat_vip", 2, &v6);
	put_vip(p, 1, NAT_VIP_4, PROTO_TCP);
	put_vip(p, 1, NAT_VIP_4, PROTO_UDP);
	put_vip(p, 2, NAT_VIP_6, PROTO_TCP);
	put_vip(p, 2, NAT_VIP_6, PROTO_UDP);
}

void nat_lab_state(const struct plane *p, struct nat_state *ret)
{
	uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(plane_map(p, "nat_state"), &zero, ret), 0);
}

void nat_lab_state_set(const struct plane *p, const struct nat_state *state)
{
	set(p, "nat_state", 0, state);
}

struct stats_nat nat_lab_stats(const struct plane *p, bool v6)
{
	struct stats_nat stats;

	plane_sum(p, "stats_nat", v6 ? 2 : 1, &stats, sizeof(stats));
	return stats;
}

enum plane_action nat_lab_sent(const struct plane *p)
{
	return p->hook == PLANE_XDP ? PLANE_TX : PLANE_REDIRECT;
}

struct packet_spec nat_lab_spec(bool v6, uint8_t proto, uint16_t sport)
{
	return (struct packet_spec) { .src = v6 ? NAT_CLIENT_6 : NAT_CLIENT_4,
				      .dst = v6 ? NAT_VIP_6 : NAT_VIP_4,
				      .proto = proto,
				      .sport = sport,
				      .dport = 80,
				      .tcp_flags = TCP_SYN_FLAG,
				      .payload_bytes = 101 };
}

void nat_lab_build(const struct packet_spec *spec, struct packet *ret)
{
	packet_build(spec, ret);
	nat_lab_fill_sums(ret, strchr(spec->src, ':'), spec->proto);
}

void nat_lab_answer(const struct packet *got, const struct packet_spec *spec, struct packet *ret)
{
	struct nat_lab_tuple t;
	char src[64], dst[64];
	struct packet_spec answer = *spec;

	nat_lab_tuple(got, strchr(spec->src, ':'), &t);
	nat_lab_text(&t.dst, src);
	nat_lab_text(&t.src, dst);
	answer.src = src;
	answer.dst = dst;
	answer.sport = t.dport;
	answer.dport = t.sport;
	answer.tcp_flags = TCP_SYN_FLAG | TCP_ACK_FLAG;
	nat_lab_build(&answer, ret);
}

static uint32_t l3_of(const struct packet *p)
{
	uint32_t at = 12;

	while ((p->bytes[at] == 0x81 && !p->bytes[at + 1]) ||
	       (p->bytes[at] == 0x88 && p->bytes[at + 1] == 0xa8))
		at += 4;
	return at + 2;
}

static uint32_t l4_of(const struct packet *p, bool v6)
{
	uint32_t l3 = l3_of(p);

	return l3 + (v6 ? 40 : (p->bytes[l3] & 15) * 4U);
}

static struct addr address_at(const uint8_t *at, bool v6)
{
	struct addr a = { .w = { 0, 0, htonl(0xffff), 0 } };

	memcpy(v6 ? a.b : a.b + 12, at, v6 ? 16 : 4);
	return a;
}

void nat_lab_tuple(const struct packet *p, bool v6, struct nat_lab_tuple *ret)
{
	const uint8_t *ip = p->bytes + l3_of(p), *l4 = p->bytes + l4_of(p, v6);

	ret->src = address_at(ip + (v6 ? 8 : 12), v6);
	ret->dst = address_at(ip + (v6 ? 24 : 16), v6);
	ret->sport = (uint16_t)(l4[0] << 8 | l4[1]);
	ret->dport = (uint16_t)(l4[2] << 8 | l4[3]);
}

bool nat_lab_is(const struct addr *a, const char *text)
{
	struct addr b = packet_addr(text);

	return memcmp(a, &b, sizeof(b)) == 0;
}

void nat_lab_text(const struct addr *a, char ret[64])
{
	bool v4 = a->w[2] == htonl(0xffff) && !a->w[0] && !a->w[1];

	inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? a->b + 12 : a->b, ret, 64);
}

/* Folded sum of the transport and what of the IP header it covers: 0 where the checksum is right. */
static __sum16 l4_sum(const struct packet *p, bool v6, uint8_t proto)
{
	uint32_t l3 = l3_of(p), l4 = l4_of(p, v6);
	uint64_t sum = csum_add_bytes(0, p->bytes + l4, p->len - l4);

	if (proto == PROTO_ICMP)
		return csum_fold(sum);
	sum = csum_add_bytes(sum, p->bytes + l3 + (v6 ? 8 : 12), v6 ? 32 : 8);
	return csum_fold(sum + htons(proto) + htons((uint16_t)(p->len - l4)));
}

static uint32_t sum_at(uint8_t proto)
{
	return proto == PROTO_TCP ? 16 : proto == PROTO_UDP ? 6 : 2;
}

void nat_lab_fill_sums(struct packet *p, bool v6, uint8_t proto)
{
	uint8_t *at = p->bytes + l4_of(p, v6) + sum_at(proto);
	__sum16 sum;

	memset(at, 0, 2);
	sum = l4_sum(p, v6, proto);
	if (proto == PROTO_UDP && !sum)
		sum = 0xffff;
	memcpy(at, &sum, 2);
}

bool nat_lab_sums_up(const struct packet *p, bool v6, uint8_t proto)
{
	uint32_t l3 = l3_of(p), l4 = l4_of(p, v6);

	return l4_sum(p, v6, proto) == 0 &&
	       (v6 || csum_fold(csum_add_bytes(0, p->bytes + l3, l4 - l3)) == 0);
}

void nat_lab_check_sums(const struct packet *p, bool v6, uint8_t proto)
{
	assert_true(nat_lab_sums_up(p, v6, proto));
}

/* With the types of the one that there is: by these Linux before 6.3 tells what is alike. */
static int make_alike(int fd)
{
	struct bpf_map_info info = { 0 };
	uint32_t info_bytes = sizeof(info);
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	int alike;

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &info_bytes), 0);
	opts.btf_fd = (uint32_t)bpf_btf_get_fd_by_id(info.btf_id);
	opts.btf_key_type_id = info.btf_key_type_id;
	opts.btf_value_type_id = info.btf_value_type_id;
	alike = bpf_map_create(info.type, info.name, info.key_size, info.value_size,
			       info.max_entries, &opts);
	assert_true(alike >= 0);
	close((int)opts.btf_fd);
	return alike;
}

void nat_lab_make_tuples_old(struct plane *p)
{
	const int from = plane_map(p, "nat_tuple");
	int old = make_alike(from);
	uint32_t zero = 0;
	struct flow_key key;
	struct nat_ref ref;

	while (bpf_map_get_next_key(from, NULL, &key) == 0) {
		assert_int_equal(bpf_map_lookup_elem(from, &key, &ref), 0);
		assert_int_equal(bpf_map_update_elem(old, &key, &ref, BPF_ANY), 0);
		assert_int_equal(bpf_map_delete_elem(from, &key), 0);
	}
	assert_int_equal(bpf_map_update_elem(plane_map(p, "nat_tuple_old"), &zero, &old, BPF_ANY),
			 0);
	close(old);
}
