/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The programs that explain: they say what the real ones do next, and no map differs behind them. Random
 * packets: selftests/model/lane_explain.c.
 */
#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "lib/proto.h"
#include "plane_case.h"
#include "plane_explain.h"
#include "sluice/abi/guard.h"
#include "sluice/abi/limit.h"
#include "sluice/abi/quic.h"

#define HOST	"192.0.2.1"
#define VIP	"192.0.2.80"
#define VIP_ID	1
#define GUARDED "192.0.2.81"
#define EMPTY	"192.0.2.82"
#define NAMED	"192.0.2.83" /* by connection ids */
#define HASHED	4096	     /* entries of a hash that are looked at */

/* FNV-1a (Fowler, Noll, Vo), eight bytes at a time: most of it are zeroes of large arrays. */
static uint64_t digest(uint64_t sum, const void *data, size_t bytes)
{
	const uint8_t *at = data;
	uint64_t word;

	for (; bytes >= sizeof(word); bytes -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		sum = (sum ^ word) * 0x100000001b3;
	}
	for (; bytes; bytes--)
		sum = (sum ^ *at++) * 0x100000001b3;
	return sum;
}

static size_t value_bytes(const struct bpf_map *map)
{
	size_t bytes = ((size_t)bpf_map__value_size(map) + 7) / 8 * 8;
	enum bpf_map_type type = bpf_map__type(map);
	bool percpu = type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_PERCPU_HASH;

	return percpu ? bytes * (size_t)libbpf_num_possible_cpus() : bytes;
}

static uint64_t digest_array(const struct bpf_map *map, uint64_t sum)
{
	uint32_t max = bpf_map__max_entries(map), batch = max < 65536 ? max : 65536, i, done;
	uint32_t next, *at = NULL, *keys = malloc(batch * sizeof(*keys));
	void *values = malloc(batch * value_bytes(map));

	assert_non_null(keys);
	assert_non_null(values);
	for (i = 0; i < max; i += done) {
		done = max - i < batch ? max - i : batch;
		if (bpf_map_lookup_batch(bpf_map__fd(map), at, &next, keys, values, &done, NULL))
			assert_true(i + done == max);
		at = &next;
		sum = digest(sum, values, done * value_bytes(map));
	}
	free(keys);
	free(values);
	return sum;
}

static uint64_t digest_hash(const struct bpf_map *map, uint64_t sum)
{
	uint8_t key[64], before[64], value[4096];
	void *at = NULL;
	int i;

	assert_true(bpf_map__key_size(map) <= sizeof(key) && value_bytes(map) <= sizeof(value));
	for (i = 0; bpf_map_get_next_key(bpf_map__fd(map), at, key) == 0; i++) {
		assert_true(i < HASHED);
		assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(map), key, value), 0);
		sum = digest(digest(sum, key, bpf_map__key_size(map)), value, value_bytes(map));
		memcpy(before, key, sizeof(before));
		at = before;
	}
	return sum;
}

/* How far a ring was written: the first word of its second page. */
static uint64_t digest_ring(const struct bpf_map *map, uint64_t sum)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint64_t *written = mmap(NULL, page, PROT_READ, MAP_SHARED, bpf_map__fd(map), (off_t)page);

	assert_ptr_not_equal(written, MAP_FAILED);
	sum = digest(sum, written, sizeof(*written));
	munmap(written, page);
	return sum;
}

/* All maps of the program that is explained, its own variables included. */
static uint64_t digest_maps(const struct plane *p)
{
	uint64_t sum = 0xcbf29ce484222325;
	struct bpf_map *map;

	bpf_object__for_each_map(map, p->object)
	{
		switch (bpf_map__type(map)) {
		case BPF_MAP_TYPE_ARRAY:
		case BPF_MAP_TYPE_PERCPU_ARRAY:
			sum = digest_array(map, sum);
			break;
		case BPF_MAP_TYPE_RINGBUF:
			sum = digest_ring(map, sum);
			break;
		case BPF_MAP_TYPE_ARRAY_OF_MAPS: /* no program can write that */
			break;
		default:
			sum = digest_hash(map, sum);
		}
	}
	return sum;
}

#define UDP(from, to, size)                                                                 \
	{                                                                                   \
		.src = (from), .dst = (to), .proto = PROTO_UDP, .sport = 4000, .dport = 53, \
		.payload_bytes = (size)                                                     \
	}
#define TCP(from, to, flags)                                                                \
	{                                                                                   \
		.src = (from), .dst = (to), .proto = PROTO_TCP, .sport = 4000, .dport = 53, \
		.tcp_flags = (flags)                                                        \
	}

/* In this order, each explained and then run. */
static const struct packet_case {
	const char *sentence;
	struct packet_spec spec;
	enum explain_result result;
	enum drop_reason reason;
} cases[] = {
	{ "from anybody to this host", UDP("198.51.100.1", HOST, 0), EXPLAIN_PASS, DROP_NONE },
	{ "a denied source", UDP("198.51.100.2", HOST, 0), EXPLAIN_DROP, DROP_ACL_DENY },
	{ "an allowed source", UDP("198.51.100.3", HOST, 0), EXPLAIN_PASS, DROP_NONE },
	{ "a source with a verdict", UDP("198.51.100.4", HOST, 0), EXPLAIN_DROP,
	  DROP_VERDICT_SOURCE },
	{ "a verdict on new connections, and a SYN", TCP("198.51.100.5", HOST, TCP_SYN_FLAG),
	  EXPLAIN_DROP, DROP_VERDICT_SOURCE },
	{ "a verdict on new connections, and an ACK", TCP("198.51.100.5", HOST, TCP_ACK_FLAG),
	  EXPLAIN_PASS, DROP_NONE },
	{ "a limit that admits one", UDP("203.0.113.1", HOST, 0), EXPLAIN_PASS, DROP_NONE },
	{ "and the second", UDP("203.0.113.1", HOST, 0), EXPLAIN_DROP, DROP_LIMIT_PACKETS },
	{ "a proven source has meters of its own", UDP("203.0.113.2", HOST, 0), EXPLAIN_PASS,
	  DROP_NONE },
	{ "and its second packet", UDP("203.0.113.2", HOST, 0), EXPLAIN_DROP, DROP_LIMIT_PACKETS },
	{ "to a vip", UDP("198.51.100.1", VIP, 0), EXPLAIN_TX, DROP_NONE },
	{ "to a vip, too big for its backend", UDP("198.51.100.1", VIP, 1600), EXPLAIN_REPLY,
	  DROP_TOO_BIG },
	{ "a SYN under guard", TCP("198.51.100.1", GUARDED, TCP_SYN_FLAG), EXPLAIN_REPLY,
	  DROP_NONE },
	{ "a segment under guard", TCP("198.51.100.1", GUARDED, TCP_ACK_FLAG), EXPLAIN_TX,
	  DROP_NONE },
	{ "to a vip without a backend", UDP("198.51.100.1", EMPTY, 0), EXPLAIN_DROP,
	  DROP_NO_BACKEND },
	{ "to a vip of QUIC, with a server id", UDP("198.51.100.1", NAMED, 20), EXPLAIN_TX,
	  DROP_NONE },
	{ "to a vip of QUIC, with none", UDP("198.51.100.1", NAMED, 4), EXPLAIN_TX, DROP_NONE },
	{ "a broken header",
	  { .src = "198.51.100.1", .dst = HOST, .proto = PROTO_UDP, .ihl = 4 },
	  EXPLAIN_DROP,
	  DROP_MALFORMED },
};

#define N_CASES (sizeof(cases) / sizeof(cases[0]))

/* A payload of packet_build's is 0x5a all over: a short header, rotation 2, a server id of 0x5a5a. */
static void make_quic(struct plane *p)
{
	const struct quic configs = { .server_id_bytes = { [2] = 2 }, .nonce_bytes = { [2] = 4 } };
	const struct quic_server server = { .vip_id = VIP_ID, .id = { 0x5a, 0x5a }, .config = 2 };
	struct vip_key key = { .addr = packet_addr(NAMED),
			       .port = __builtin_bswap16(53),
			       .proto = PROTO_UDP };
	uint32_t vip_id = VIP_ID, backend = 2;
	struct vip vip;

	plane_vip(p, vip_id, NAMED, 53, PROTO_UDP, 0);
	assert_int_equal(bpf_map_lookup_elem(plane_map(p, "vips"), &key, &vip), 0);
	vip.flags = VIP_QUIC;
	assert_int_equal(bpf_map_update_elem(plane_map(p, "vips"), &key, &vip, 0), 0);
	assert_int_equal(bpf_map_update_elem(plane_map(p, "quic"), &vip_id, &configs, 0), 0);
	assert_int_equal(bpf_map_update_elem(plane_map(p, "quic_servers"), &server, &backend, 0),
			 0);
}

static void make_world(struct plane *p)
{
	const struct guard guard = { .mode = GUARD_ALWAYS };
	uint32_t guarded = 2;

	plane_acl(p, SOURCE_LIST_DENY, "198.51.100.2", 32);
	plane_acl(p, SOURCE_LIST_ALLOW, "198.51.100.3", 32);
	plane_verdict(p, "198.51.100.4", 32, VERDICT_DROP, *p->now_ns + 5 * PLANE_SECOND);
	plane_verdict(p, "198.51.100.5", 32, VERDICT_DROP_NEW, *p->now_ns + 5 * PLANE_SECOND);
	plane_limit(p, 1, LIMIT_PACKETS, 1, 1, false);
	plane_limit_prefix(p, "203.0.113.0", 24, 1);
	plane_prove(p, "203.0.113.2", 1);
	plane_vip(p, VIP_ID, VIP, 53, PROTO_UDP, 0);
	plane_vip(p, guarded, GUARDED, 53, PROTO_TCP, 0);
	plane_vip(p, 3, EMPTY, 53, PROTO_UDP, 0);
	plane_backend(p, 1, PLANE_LOOPBACK, 1500);
	plane_backend(p, 2, PLANE_ELSEWHERE, 1500);
	plane_ring(p, VIP_ID, 1, 2);
	plane_ring(p, guarded, 1, 2);
	assert_int_equal(bpf_map_update_elem(plane_map(p, "guards"), &guarded, &guard, BPF_ANY), 0);
	make_quic(p);
}

static uint32_t explain_case(const struct plane_explain *x, const struct packet_case *c,
			     struct packet *ret_out, struct explain_trace *ret)
{
	struct packet in;
	uint32_t returned;

	packet_build(&c->spec, &in);
	ret_out->len = sizeof(ret_out->bytes);
	returned = plane_explain_run(x, in.bytes, in.len, ret_out->bytes, &ret_out->len, ret);
	return returned;
}

static void no_map_differs_behind_it(struct plane *p, const void *row)
{
	struct plane_explain x;
	struct explain_trace t;
	struct packet in, out;
	uint64_t before;
	size_t i;

	(void)row;
	make_world(p);
	plane_explain_open(&x, p);
	/* Behind the packets meters, records, counters and variables are what they become in use. */
	for (i = 0; i < N_CASES; i++) {
		packet_build(&cases[i].spec, &in);
		plane_run(p, &in, NULL);
	}
	before = digest_maps(p);
	for (i = 0; i < N_CASES; i++)
		explain_case(&x, &cases[i], &out, &t);
	*p->now_ns += 10 * PLANE_SECOND; /* verdicts end, buckets are full */
	for (i = 0; i < N_CASES; i++)
		explain_case(&x, &cases[i], &out, &t);
	*p->now_ns -= 10 * PLANE_SECOND;
	assert_true(digest_maps(p) == before);
	/* Else the digest would not tell. */
	packet_build(&cases[0].spec, &in);
	plane_run(p, &in, NULL);
	assert_true(digest_maps(p) != before);
	plane_explain_close(&x);
}

static void it_says_what_the_program_does_next(struct plane *p, const void *row)
{
	struct plane_explain x;
	struct explain_trace t;
	struct packet in, said, out;
	size_t i;

	(void)row;
	make_world(p);
	plane_explain_open(&x, p);
	for (i = 0; i < N_CASES; i++) {
		const struct packet_case *c = &cases[i];
		enum plane_action action;

		explain_case(&x, c, &said, &t);
		if (t.result != c->result || t.reason != c->reason)
			fail_msg("%s: result %u, reason %u", c->sentence, t.result, t.reason);
		packet_build(&c->spec, &in);
		action = plane_run(p, &in, &out);
		if (c->result == EXPLAIN_PASS || c->result == EXPLAIN_DROP)
			assert_int_equal(action,
					 c->result == EXPLAIN_PASS ? PLANE_PASS : PLANE_DROP);
		else
			assert_true(action == PLANE_TX || action == PLANE_REDIRECT);
		assert_int_equal(said.len, out.len);
		assert_memory_equal(said.bytes, out.bytes, out.len);
	}
	plane_explain_close(&x);
}

static const struct packet_case *case_of(const char *sentence)
{
	size_t i;

	for (i = 0; i < N_CASES; i++) {
		if (strcmp(cases[i].sentence, sentence) == 0)
			return &cases[i];
	}
	fail_msg("no case '%s'", sentence);
	return NULL;
}

static void it_says_stage_by_stage_why(struct plane *p, const void *row)
{
	struct plane_explain x;
	struct explain_trace t;
	struct packet out;

	(void)row;
	make_world(p);
	plane_explain_open(&x, p);
	explain_case(&x, case_of("to a vip"), &out, &t);
	assert_int_equal(t.stage[EXPLAIN_ACL], EXPLAIN_NEXT);
	assert_int_equal(t.stage[EXPLAIN_VIP], EXPLAIN_NEXT);
	assert_int_equal(t.stage[EXPLAIN_FORWARD], EXPLAIN_TX);
	assert_int_equal(t.vip_id, VIP_ID);
	assert_true(t.backend_id == 1 || t.backend_id == 2);
	assert_true(t.slot < PLANE_RING);
	assert_int_equal(t.mtu, 1500);
	assert_int_equal(t.quic, EXPLAIN_QUIC_UNREAD);
	explain_case(&x, case_of("to a vip of QUIC, with a server id"), &out, &t);
	assert_int_equal(t.quic, EXPLAIN_QUIC_ROUTED);
	assert_int_equal(t.backend_id, 2);
	explain_case(&x, case_of("to a vip of QUIC, with none"), &out, &t);
	assert_int_equal(t.quic, EXPLAIN_QUIC_UNROUTABLE);
	explain_case(&x, case_of("a source with a verdict"), &out, &t);
	assert_int_equal(t.stage[EXPLAIN_VERDICT], EXPLAIN_DROP);
	assert_int_equal(t.stage[EXPLAIN_LIMIT], EXPLAIN_UNASKED);
	assert_true(t.verdict_until_ns == *p->now_ns + 5 * PLANE_SECOND);
	explain_case(&x, case_of("a limit that admits one"), &out, &t);
	assert_int_equal(t.limit[1].limit_class, 1);
	assert_int_equal(t.limit[1].outcome, 1);
	explain_case(&x, case_of("an allowed source"), &out, &t);
	assert_true(t.flags & EXPLAIN_EXEMPT);
	plane_explain_close(&x);
}

/* Helpers that write to what others see: maps, rings, a listener. */
static bool writes(const struct bpf_insn *insn)
{
	static const int helpers[] = { BPF_FUNC_map_update_elem,   BPF_FUNC_map_delete_elem,
				       BPF_FUNC_map_push_elem,	   BPF_FUNC_map_pop_elem,
				       BPF_FUNC_perf_event_output, BPF_FUNC_ringbuf_output,
				       BPF_FUNC_ringbuf_reserve,   BPF_FUNC_ringbuf_submit,
				       BPF_FUNC_tcp_gen_syncookie };
	size_t i;

	if (BPF_CLASS(insn->code) == BPF_STX && BPF_MODE(insn->code) == BPF_ATOMIC)
		return true;
	for (i = 0; i < sizeof(helpers) / sizeof(helpers[0]); i++) {
		if (insn->code == (BPF_JMP | BPF_CALL) && insn->src_reg == 0 &&
		    insn->imm == helpers[i])
			return true;
	}
	return false;
}

static size_t count_writes(const struct bpf_object *object)
{
	const struct bpf_program *prog = bpf_object__next_program(object, NULL);
	const struct bpf_insn *insn = bpf_program__insns(prog);
	size_t n = bpf_program__insn_cnt(prog), i, found = 0;

	for (i = 0; i < n; i++)
		found += writes(&insn[i]);
	return found;
}

static void it_has_no_instruction_that_writes(struct plane *p, const void *row)
{
	struct plane_explain x;

	(void)row;
	plane_explain_open(&x, p);
	assert_int_equal(count_writes(x.object), 0);
	assert_true(count_writes(p->object) > 10);
	plane_explain_close(&x);
}

int main(void)
{
	static const struct plane_settings settings = { .events_per_s = 100,
							.too_big_per_s = 1000 };

	plane_case_settings(&settings);
	plane_case_add("no map differs behind it", no_map_differs_behind_it);
	plane_case_add("it says what the program does next", it_says_what_the_program_does_next);
	plane_case_add("it says stage by stage why", it_says_stage_by_stage_why);
	plane_case_add("it has no instruction that writes", it_has_no_instruction_that_writes);
	return plane_case_run("explain");
}
