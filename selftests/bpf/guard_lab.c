/* SPDX-License-Identifier: BSD-2-Clause */
#include "guard_lab.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "lib/proto.h"
#include "sluice/algo/csum.h"

void guard_lab_set(struct plane *p, uint32_t id, const struct guard *g)
{
	assert_int_equal(bpf_map_update_elem(plane_map(p, "guards"), &id, g, BPF_ANY), 0);
}

struct guard guard_lab_get(struct plane *p, uint32_t id)
{
	struct guard g;

	assert_int_equal(bpf_map_lookup_elem(plane_map(p, "guards"), &id, &g), 0);
	return g;
}

uint64_t guard_lab_count(struct plane *p, uint32_t id, enum guard_count what)
{
	struct stats_guard s;

	plane_sum(p, "stats_guard", id, &s, sizeof(s));
	return s.packets[what];
}

uint32_t guard_lab_get32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put32(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 24);
	at[1] = (uint8_t)(value >> 16);
	at[2] = (uint8_t)(value >> 8);
	at[3] = (uint8_t)value;
}

/* The sum over pseudo-header and segment: 0 of a segment whose checksum is right. */
static __sum16 tcp_sum(const struct packet *p)
{
	bool v6 = p->bytes[p->l3] >> 4 == 6;
	uint32_t ip_bytes = v6 ? 40u + (p->bytes[p->l3 + 4] << 8 | p->bytes[p->l3 + 5])
			       : (uint32_t)(p->bytes[p->l3 + 2] << 8 | p->bytes[p->l3 + 3]);
	uint32_t bytes = ip_bytes - (p->l4 - p->l3);
	uint64_t sum = v6 ? csum_add_bytes(0, p->bytes + p->l3 + 8, 32)
			  : csum_add_bytes(0, p->bytes + p->l3 + 12, 8);

	sum += htons(PROTO_TCP) + (uint64_t)htons((uint16_t)bytes);
	return csum_fold(csum_add_bytes(sum, p->bytes + p->l4, bytes));
}

void guard_lab_build(const struct guard_segment *s, struct packet *ret)
{
	__sum16 sum;

	packet_build(&s->spec, ret);
	put32(ret->bytes + ret->l4 + 4, s->seq);
	put32(ret->bytes + ret->l4 + 8, s->ack);
	if (s->options)
		memcpy(ret->bytes + ret->l4 + 20, s->options, s->spec.tcp_option_bytes);
	if (ret->l4 == ret->l3 + 20 || ret->l4 == ret->l3 + 40) {
		sum = tcp_sum(ret);
		memcpy(ret->bytes + ret->l4 + 16, &sum, 2);
	}
}

enum plane_action guard_lab_send(struct plane *p, const struct guard_segment *s, struct packet *out)
{
	struct packet in;

	guard_lab_build(s, &in);
	if (out) {
		out->l3 = in.l3;
		out->l4 = in.l4;
	}
	return plane_run(p, &in, out);
}

bool guard_lab_replied(const struct plane *p, enum plane_action action)
{
	return action == (p->hook == PLANE_XDP ? PLANE_TX : PLANE_REDIRECT);
}

/* Linux: MSS 1460, SACK, timestamps, scale 7. */
static const uint8_t linux_options[] = { 2,    4,    5, 0xb4, 4, 2, 8, 10, 0xaa, 0xbb,
					 0xcc, 0xdd, 0, 0,    0, 0, 1, 3,  3,	 7 };

struct guard_segment guard_lab_syn(const char *src, const char *dst, uint16_t dport)
{
	return (struct guard_segment) { .spec = { .src = src,
						  .dst = dst,
						  .proto = PROTO_TCP,
						  .sport = 40000,
						  .dport = dport,
						  .tcp_flags = TCP_SYN_FLAG,
						  .tcp_option_bytes = sizeof(linux_options) },
					.seq = GUARD_LAB_ISN,
					.options = linux_options };
}

struct guard_segment guard_lab_bare(struct guard_segment s, uint8_t flags, uint32_t seq,
				    uint32_t ack)
{
	s.spec.tcp_flags = flags;
	s.spec.tcp_option_bytes = 0;
	s.options = NULL;
	s.seq = seq;
	s.ack = ack;
	return s;
}

void guard_lab_check_turned(const struct packet *in, const struct packet *out)
{
	const uint8_t *a = in->bytes, *b = out->bytes;
	bool v6 = a[in->l3] >> 4 == 6;
	uint32_t addr = v6 ? 8 : 12, bytes = v6 ? 16 : 4;

	assert_int_equal(out->len, in->len);
	assert_memory_equal(b, a + 6, 6);
	assert_memory_equal(b + 6, a, 6);
	assert_memory_equal(b + 12, a + 12, in->l3 - 12);
	assert_memory_equal(b + in->l3 + addr, a + in->l3 + addr + bytes, bytes);
	assert_memory_equal(b + in->l3 + addr + bytes, a + in->l3 + addr, bytes);
	assert_memory_equal(b + in->l4, a + in->l4 + 2, 2);
	assert_memory_equal(b + in->l4 + 2, a + in->l4, 2);
	assert_int_equal(b[in->l4 + 12], a[in->l4 + 12] & 0xf0);
	assert_int_equal(b[in->l4 + 13], TCP_SYN_FLAG | TCP_ACK_FLAG);
	assert_int_equal(b[in->l4 + 18] | b[in->l4 + 19], 0);
	assert_int_equal(b[in->l3 + (v6 ? 7 : 8)], 64);
	assert_int_equal(tcp_sum(out), 0);
	if (!v6) {
		assert_int_equal(csum_fold(csum_add_bytes(0, b + in->l3, 20)), 0);
		assert_memory_equal(b + in->l3 + 2, a + in->l3 + 2, 2);
	}
}

static void write_setting(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, value, strlen(value)) < 0) {
		perror(path);
		_exit(1);
	}
	close(fd);
}

int guard_lab_open(uint16_t *ret_port)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6 };
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	socklen_t len = sizeof(a);
	int fd;

	if (unshare(CLONE_NEWNET)) {
		perror("unshare");
		_exit(1);
	}
	fd = socket(AF_INET6, SOCK_STREAM, 0);
	if (ioctl(fd, SIOCSIFFLAGS, &lo)) {
		perror("lo");
		_exit(1);
	}
	write_setting("/proc/sys/net/ipv4/tcp_syncookies", "2");
	/* A router: of what passes through, a listener at the wildcard address must get nothing. */
	write_setting("/proc/sys/net/ipv4/ip_forward", "1");
	write_setting("/proc/sys/net/ipv6/conf/all/forwarding", "1");
	if (system("ip route add 203.0.113.0/24 dev lo") ||
	    system("ip -6 route add 2001:db8:77::/48 dev lo")) {
		perror("ip route");
		_exit(1);
	}
	if (bind(fd, (struct sockaddr *)&a, len) || listen(fd, 64) ||
	    getsockname(fd, (struct sockaddr *)&a, &len)) {
		perror("listen");
		_exit(1);
	}
	*ret_port = ntohs(a.sin6_port);
	return fd;
}
