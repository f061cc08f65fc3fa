/* SPDX-License-Identifier: BSD-2-Clause */
#include "fill_vip.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "fill.h"
#include "fill_quic.h"
#include "frame.h"
#include "sluice/abi/nat.h"
#include "sluice/abi/vip.h"
#include "vary.h"

#define MODES	 (BACKEND_NAT + 1)
#define EACH	 (2 * MODES + 1) /* vips of each mode and family, and that of QUIC */
#define MTU	 1500
#define GUE_PORT 6080

#define NAT_FLOWS      1024 /* as many as the map has without another size */
#define NAT_TIMEOUT_NS 3600000000000ULL

static const char *const by_vip[] = { "vips", "stats_vip", "stats_guard", "guards", "nat_vip" };
static const char *const by_backend[] = { "backends", "stats_backend", "stats_nat" };

static uint32_t vips_of(uint32_t n)
{
	return EACH + n + 1;
}

static void size_all(struct bpf_object *obj, const char *const *names, size_t n, uint32_t entries)
{
	struct bpf_map *map;
	size_t i;

	for (i = 0; i < n; i++) {
		map = bpf_object__find_map_by_name(obj, names[i]);
		if (!map || bpf_map__set_max_entries(map, entries))
			fill_die(names[i]);
	}
}

void fill_vip_size(struct bpf_object *obj, uint32_t n)
{
	static const char *const ring[] = { "vip_ring" };

	size_all(obj, by_vip, 5, vips_of(n));
	size_all(obj, by_backend, 3, vips_of(n) * FILL_VIP_BACKENDS + 1);
	size_all(obj, ring, 1, vips_of(n) * 2 * FILL_VIP_STRIDE);
}

static int map_of(struct bpf_object *obj, const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(obj, name);

	if (fd < 0)
		fill_die(name);
	return fd;
}

static struct addr v4(uint32_t host)
{
	struct addr a = { 0 };

	a.w[2] = __builtin_bswap32(0xffff);
	a.w[3] = __builtin_bswap32(host);
	return a;
}

static struct addr v6(uint32_t last)
{
	struct addr a = { .b = { 0x20, 1, 0x0d, 0xb8 } };

	a.w[3] = __builtin_bswap32(last);
	return a;
}

static uint32_t outer_bytes(enum backend_mode mode, bool is_v6)
{
	uint32_t ip = is_v6 ? BACKEND_OUTER_V6 : BACKEND_OUTER_V4;

	if (mode == BACKEND_L2 || mode == BACKEND_NAT)
		return 0;
	return mode == BACKEND_GUE ? ip + BACKEND_OUTER_UDP : ip;
}

static void put_backends(int fd, uint32_t id, enum backend_mode mode, bool is_v6)
{
	struct backend b = { .ifindex = 1, .flags = BACKEND_READY, .mode = mode, .vip_id = id };
	uint32_t i, at;

	b.mtu = (__u16)(MTU - outer_bytes(mode, is_v6));
	b.port = mode == BACKEND_GUE ? __builtin_bswap16(GUE_PORT) : 0;
	b.source = is_v6 ? v6(0x20000) : v4(0x0b000001);
	for (i = 0; i < FILL_VIP_BACKENDS; i++) {
		at = id * FILL_VIP_BACKENDS + i;
		b.addr = is_v6 ? v6(0x10000 + at) : v4(0x0b010000 + at);
		if (bpf_map_update_elem(fd, &at, &b, BPF_ANY))
			fill_die("backends");
	}
}

static void put_vip(struct bpf_object *obj, char *rings, uint32_t id, const struct addr *a,
		    enum backend_mode mode, bool is_v6)
{
	const bool is_quic = id == EACH;
	struct vip_key key = { .addr = *a,
			       .port = __builtin_bswap16(FILL_VIP_PORT),
			       .proto = is_quic ? 17 : 6 };
	struct vip vip = { .id = id,
			   .ring_size = FILL_VIP_STRIDE,
			   .service = FILL_SERVICE,
			   .flags = (uint16_t)((mode == BACKEND_NAT ? VIP_NAT : 0) |
					       (is_quic ? VIP_QUIC : 0)),
			   .hash_seed = { id, 2 } };
	struct nat_vip nat = { .n_sources = 1, .source = { is_v6 ? v6(0x20000) : v4(0x0b000001) } };
	char *ring = rings + (size_t)id * 2 * FILL_VIP_STRIDE * VIP_RING_ELEMENT_BYTES;
	uint32_t slot, at;

	if (bpf_map_update_elem(map_of(obj, "vips"), &key, &vip, BPF_ANY))
		fill_die("vips");
	if (mode == BACKEND_NAT && bpf_map_update_elem(map_of(obj, "nat_vip"), &id, &nat, BPF_ANY))
		fill_die("nat_vip");
	for (slot = 0; slot < FILL_VIP_STRIDE; slot++) {
		at = id * FILL_VIP_BACKENDS + vary_source(slot + id) % FILL_VIP_BACKENDS;
		memcpy(ring + slot * VIP_RING_ELEMENT_BYTES, &at, sizeof(at));
	}
	put_backends(map_of(obj, "backends"), id, mode, is_v6);
}

void fill_vips(struct bpf_object *obj, uint32_t n)
{
	size_t bytes = (size_t)vips_of(n) * 2 * FILL_VIP_STRIDE * VIP_RING_ELEMENT_BYTES;
	char *rings =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, map_of(obj, "vip_ring"), 0);
	enum backend_mode mode;
	uint32_t i, id = 1;
	struct addr a;

	if (rings == MAP_FAILED)
		fill_die("vip_ring");
	for (mode = BACKEND_L2; mode < MODES; mode++) {
		a = v4(FILL_VIP_ADDR + mode);
		put_vip(obj, rings, id++, &a, mode, false);
		a = v6(0x0a + mode);
		put_vip(obj, rings, id++, &a, mode, true);
	}
	a = v4(FILL_VIP_ADDR);
	fill_quic(obj, id, id * FILL_VIP_BACKENDS);
	put_vip(obj, rings, id++, &a, BACKEND_L2, false);
	for (i = 0; i < n; i++) {
		a = v4(FILL_VIPS_FIRST + i);
		put_vip(obj, rings, id++, &a, BACKEND_L2, false);
	}
	munmap(rings, bytes);
}

void fill_nat(struct bpf_object *obj)
{
	struct nat_state state = { .is_on = 1, .max_flows = NAT_FLOWS, .max_young = NAT_FLOWS };
	uint32_t zero = 0, i;

	for (i = 0; i < NAT_TIMEOUTS; i++)
		state.timeout_ns[i] = NAT_TIMEOUT_NS;
	if (bpf_map_update_elem(map_of(obj, "nat_state"), &zero, &state, BPF_ANY))
		fill_die("nat_state");
}
