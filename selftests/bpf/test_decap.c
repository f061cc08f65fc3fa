/* SPDX-License-Identifier: BSD-2-Clause */
/* xdp_decap: what stage/encap.h made comes out as it went in, and what is not in order does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>
#include <linux/bpf.h>

#include "dataplane_lab.h"
#include "lib/proto.h"
#include "packet.h"
#include "sluice/abi/decap.h"
#include "sluice/algo/csum.h"
#include "xdp_decap.skel.h"

#define GUE_PORT 6080

static const struct packet_spec inner_v4 = { .src = "198.51.100.7",
					     .dst = "192.0.2.10",
					     .proto = PROTO_TCP,
					     .sport = 4000,
					     .dport = 80,
					     .payload_bytes = 33 };
static const struct packet_spec inner_v6 = { .src = "2001:db8:7::7",
					     .dst = "2001:db8:2::10",
					     .proto = PROTO_UDP,
					     .sport = 4000,
					     .dport = 53,
					     .payload_bytes = 33 };

struct world {
	struct lab *lab;
	struct xdp_decap *program;
	struct packet_spec outer;
	const struct packet_spec *inner;
	int gue_variant; /* -1: the payload follows the IP header */
	struct packet frame;
	struct packet out;
};

static void settings(struct world *w, bool ipip, uint16_t gue_port)
{
	const struct decap_settings s = { .gue_port = htons(gue_port), .ipip = ipip };
	const uint32_t zero = 0;

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(w->program->maps.decap), &zero, &s, 0), 0);
}

static void may_send(struct world *w, const char *address, uint32_t bits)
{
	const struct prefix p = { .len_bits = bits, .addr = packet_addr(address) };
	const uint8_t yes = 1;
	int fd = bpf_map__fd(w->program->maps.decap_source);

	assert_int_equal(bpf_map_update_elem(fd, &p, &yes, 0), 0);
}

static int world_open(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	lab_open((void **)&w->lab);
	/* A host that forwards: what is not to it is on its way elsewhere. */
	lab_run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 && "
		"ip link set lo up && ip addr add 10.2.0.7/32 dev lo && "
		"ip addr add fd00:2::7/128 dev lo nodad && ip route add 10.9.0.0/16 dev edge0 && "
		"ip route add fd00:9::/32 dev edge0");
	w->program = xdp_decap__open_and_load();
	assert_non_null(w->program);
	settings(w, true, GUE_PORT);
	may_send(w, "10.1.0.0", 96 + 16);
	may_send(w, "fd00:1::", 32);
	w->gue_variant = -1;
	w->inner = &inner_v4;
	w->outer = (struct packet_spec) { .src = "10.1.0.1", .dst = "10.2.0.7" };
	*state = w;
	return 0;
}

static int world_close(void **state)
{
	struct world *w = *state;

	xdp_decap__destroy(w->program);
	lab_close((void **)&w->lab);
	free(w);
	return 0;
}

static void append(struct packet *p, const void *bytes, uint32_t n)
{
	memcpy(p->bytes + p->len, bytes, n);
	p->len += n;
}

/* w->inner in w->outer, as w->gue_variant says. */
static void build(struct world *w)
{
	static const uint8_t header[][4] = { { 0, PROTO_IPIP, 0, 0 }, { 0, PROTO_IPV6, 0, 0 } };
	bool v6 = strchr(w->inner->src, ':');
	struct packet inner, *f = &w->frame;
	uint32_t payload;
	uint8_t udp[8] = { 0xc0, 1, GUE_PORT >> 8, GUE_PORT & 0xff };

	packet_build(w->inner, &inner);
	payload = inner.len - inner.l3 + (w->gue_variant == 0 ? 12 : w->gue_variant == 1 ? 8 : 0);
	w->outer.proto = w->gue_variant >= 0 ? PROTO_UDP : v6 ? PROTO_IPV6 : PROTO_IPIP;
	w->outer.length_lie += (int)payload;
	/* packet_build would make a UDP header: of another protocol it makes none. */
	if (w->gue_variant >= 0)
		w->outer.proto = 253;
	packet_build(&w->outer, f);
	w->outer.length_lie -= (int)payload;
	if (w->gue_variant >= 0) {
		uint8_t *ip = f->bytes + f->l3;
		__sum16 sum;

		ip[strchr(w->outer.src, ':') ? 6 : 9] = PROTO_UDP;
		memset(ip + 10, 0, strchr(w->outer.src, ':') ? 0 : 2);
		sum = csum_fold(csum_add_bytes(0, ip, 20));
		if (!strchr(w->outer.src, ':'))
			memcpy(ip + 10, &sum, 2);
		udp[4] = (uint8_t)(payload >> 8);
		udp[5] = (uint8_t)payload;
		append(f, udp, sizeof(udp));
	}
	if (w->gue_variant == 0)
		append(f, header[v6], 4);
	append(f, inner.bytes + inner.l3, inner.len - inner.l3);
}

static uint32_t run(struct world *w)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = w->frame.bytes,
		    .data_size_in = w->frame.len, .data_out = w->out.bytes,
		    .data_size_out = sizeof(w->out.bytes), .repeat = 1);
	int fd = bpf_program__fd(w->program->progs.xdp_decap);

	assert_int_equal(bpf_prog_test_run_opts(fd, &opts), 0);
	w->out.len = opts.data_size_out;
	return opts.retval;
}

static uint64_t counted(struct world *w, enum decap_count count)
{
	uint32_t index = count;
	uint64_t values[256], sum = 0;
	int fd = bpf_map__fd(w->program->maps.stats_decap), i;

	assert_int_equal(bpf_map_lookup_elem(fd, &index, values), 0);
	for (i = 0; i < libbpf_num_possible_cpus(); i++)
		sum += values[i];
	return sum;
}

/* It comes out with the link header that it had, tags and all, and as it went in. */
static void comes_out(struct world *w, enum decap_count kind)
{
	uint64_t before = counted(w, kind);
	struct packet_spec spec = *w->inner;
	struct packet want;

	spec.tags = w->outer.tags;
	packet_build(&spec, &want);
	build(w);
	assert_int_equal(run(w), XDP_PASS);
	assert_int_equal(w->out.len, want.len);
	assert_memory_equal(w->out.bytes, want.bytes, want.len);
	assert_int_equal(counted(w, kind), before + 1);
}

static void stays(struct world *w)
{
	assert_int_equal(run(w), XDP_PASS);
	assert_int_equal(w->out.len, w->frame.len);
	assert_memory_equal(w->out.bytes, w->frame.bytes, w->frame.len);
}

static void dropped(struct world *w, enum decap_count why)
{
	uint64_t before = counted(w, why);

	assert_int_equal(run(w), XDP_DROP);
	assert_int_equal(counted(w, why), before + 1);
}

static void what_went_in_comes_out(void **state)
{
	static const char *const from[] = { "10.1.0.1", "fd00:1::1" };
	static const char *const to[] = { "10.2.0.7", "fd00:2::7" };
	struct world *w = *state;
	int outer, inner;

	for (outer = 0; outer < 2; outer++) {
		w->outer.src = from[outer];
		w->outer.dst = to[outer];
		for (inner = 0; inner <= outer; inner++) {
			w->inner = inner ? &inner_v6 : &inner_v4;
			for (w->outer.tags = 0; w->outer.tags <= 2; w->outer.tags++) {
				w->gue_variant = -1;
				comes_out(w, DECAP_IPIP);
				w->gue_variant = 0;
				comes_out(w, DECAP_GUE);
				w->gue_variant = 1;
				comes_out(w, DECAP_GUE);
			}
		}
	}
}

static void what_is_none_of_it_is_not_touched(void **state)
{
	struct world *w = *state;

	packet_build(&inner_v4, &w->frame);
	stays(w);
	packet_build(&inner_v6, &w->frame);
	stays(w);
	build(w);
	settings(w, false, GUE_PORT);
	stays(w);
	w->gue_variant = 1;
	settings(w, true, 0);
	build(w);
	stays(w);
	settings(w, true, GUE_PORT + 1);
	stays(w);
	/* On its way to somebody else, and not by way of a source that may not send. */
	settings(w, true, GUE_PORT);
	w->outer.dst = "10.9.0.1";
	build(w);
	stays(w);
	w->outer.dst = "10.2.0.7";
	w->outer.frag_more = true;
	build(w);
	stays(w);
}

static void who_may_not_send_is_dropped(void **state)
{
	struct world *w = *state;

	w->outer.src = "10.3.0.1";
	build(w);
	dropped(w, DECAP_SOURCE);
	w->outer.src = "::ffff:10.1.0.1"; /* not an IPv4 address, on the wire */
	w->outer.dst = "fd00:2::7";
	build(w);
	dropped(w, DECAP_MALFORMED);
}

static void headers_that_contradict_themselves_are_dropped(void **state)
{
	struct world *w = *state;
	uint32_t i;

	build(w);
	w->frame.bytes[w->frame.l3 + 10] ^= 1; /* checksum */
	dropped(w, DECAP_MALFORMED);
	build(w);
	w->frame.bytes[w->frame.l3 + 20] = 0x65; /* inner version */
	dropped(w, DECAP_MALFORMED);
	build(w);
	w->frame.bytes[w->frame.l3 + 20 + 3]++; /* inner length */
	dropped(w, DECAP_MALFORMED);
	build(w);
	w->frame.len = w->frame.l3 + 20 + 19;
	dropped(w, DECAP_MALFORMED);
	w->gue_variant = 0;
	for (i = 0; i < 4; i++) {
		build(w);
		w->frame.bytes[w->frame.l3 + 28 + i] = 0x21;
		dropped(w, DECAP_MALFORMED);
	}
	build(w);
	w->frame.bytes[w->frame.l3 + 25]++; /* UDP's length */
	dropped(w, DECAP_MALFORMED);
}

/* RFC 6040 s4.2, figure 4: outer, inner, what comes out; -1: it is dropped. */
static void congestion_is_told(void **state)
{
	static const int8_t table[4][4] = {
		{ 0, 1, 2, 3 }, { 0, 1, 1, 3 }, { 0, 1, 2, 3 }, { -1, 3, 3, 3 }
	};
	struct world *w = *state;
	struct packet_spec spec;
	int outer, inner, v6;

	for (v6 = 0; v6 < 2; v6++) {
		w->outer.src = v6 ? "fd00:1::1" : "10.1.0.1";
		w->outer.dst = v6 ? "fd00:2::7" : "10.2.0.7";
		for (outer = 0; outer < 4; outer++) {
			for (inner = 0; inner < 4; inner++) {
				struct packet want;

				spec = v6 ? inner_v6 : inner_v4;
				spec.traffic_class = (uint8_t)(0x28 | inner);
				w->inner = &spec;
				w->outer.traffic_class = (uint8_t)outer;
				build(w);
				if (table[outer][inner] < 0) {
					dropped(w, DECAP_ECN);
					continue;
				}
				assert_int_equal(run(w), XDP_PASS);
				spec.traffic_class = (uint8_t)(0x28 | table[outer][inner]);
				packet_build(&spec, &want);
				assert_memory_equal(w->out.bytes, want.bytes, want.len);
			}
		}
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_went_in_comes_out),
		TEST(what_is_none_of_it_is_not_touched),
		TEST(who_may_not_send_is_dropped),
		TEST(headers_that_contradict_themselves_are_dropped),
		TEST(congestion_is_told),
	};

	return cmocka_run_group_tests_name("decap", tests, NULL, NULL);
}
