/* SPDX-License-Identifier: BSD-2-Clause */
#include "race.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "bpf/nat_lab.h"
#include "draw.h"
#include "race_check.h"
#include "sluice/algo/gcra_rate.h"

#define PORTS	    4
#define ROUND	    5000 /* packets of a CPU between looks at the maps */
#define ANSWERS	    16
#define CLASS_FLOWS 1
#define CLASS_RATE  2
#define HOST	    "192.0.2.200"
#define EXACT	    "203.0.113.1" /* proven: its meter is its own */
#define SHARED	    "203.0.113.2"

struct frames {
	struct packet syn[RACE_CLIENTS][PORTS];
	struct packet udp;     /* of a flow that counts for nobody */
	struct packet rate[2]; /* of a source with its own meter, of one with cells */
};

struct cpu {
	struct race *race;
	const struct frames *frames;
	pthread_t thread;
	uint32_t number;
	uint64_t packets;
	struct draw draw;
	struct packet answer[ANSWERS]; /* to what went on to the backend */
	uint32_t n_answer;
	uint64_t admitted[2];
};

static void build(struct frames *f)
{
	struct packet_spec spec = nat_lab_spec(false, PROTO_TCP, 0), rate = spec;
	char source[16];
	uint16_t i, k;

	for (i = 0; i < RACE_CLIENTS; i++) {
		snprintf(source, sizeof(source), "198.51.100.%d", 1 + i);
		spec.src = source;
		for (k = 0; k < PORTS; k++) {
			spec.sport = (uint16_t)(4000 + k);
			packet_build(&spec, &f->syn[i][k]);
		}
	}
	spec.src = "198.51.100.99";
	spec.proto = PROTO_UDP;
	packet_build(&spec, &f->udp);
	rate.dst = HOST;
	rate.proto = PROTO_UDP;
	for (i = 0; i < 2; i++) {
		rate.src = i ? SHARED : EXACT;
		packet_build(&rate, &f->rate[i]);
	}
}

/* Returns what became of it; out may be NULL. */
static uint32_t run(struct race *r, const struct packet *in, struct packet *out)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->bytes, .data_size_in = in->len,
		    .repeat = 1);

	if (out) {
		opts.data_out = out->bytes;
		opts.data_size_out = sizeof(out->bytes);
	}
	if (bpf_prog_test_run_opts(r->plane.prog_fd, &opts))
		abort();
	if (out)
		out->len = opts.data_size_out;
	__atomic_fetch_add(&r->sent, 1, __ATOMIC_RELAXED);
	return opts.retval;
}

/* What went on, turned around: 20 bytes of IPv4 behind the link header, and ports. */
static void turn(const struct packet *got, struct packet *ret)
{
	uint8_t *ip = ret->bytes + 14;

	memcpy(ret, got, sizeof(*ret));
	memcpy(ip + 12, got->bytes + 14 + 16, 4);
	memcpy(ip + 16, got->bytes + 14 + 12, 4);
	memcpy(ip + 20, got->bytes + 14 + 22, 2);
	memcpy(ip + 22, got->bytes + 14 + 20, 2);
	ip[8] = 64;
}

static void from_client(struct cpu *c, struct packet *in)
{
	static const uint8_t flags[] = { TCP_SYN_FLAG, TCP_SYN_FLAG, TCP_SYN_FLAG,
					 TCP_ACK_FLAG, TCP_ACK_FLAG, TCP_ACK_FLAG | TCP_FIN,
					 TCP_RST };
	static _Thread_local struct packet out;
	uint32_t sent = c->race->plane.hook == PLANE_XDP ? 3 : 7;

	*in = c->frames->syn[draw(&c->draw, RACE_CLIENTS)][draw(&c->draw, PORTS)];
	in->bytes[14 + 20 + 13] = flags[draw(&c->draw, sizeof(flags))];
	if (run(c->race, in, &out) == sent)
		turn(&out, &c->answer[c->n_answer++ % ANSWERS]);
}

static void from_backend(struct cpu *c, struct packet *in)
{
	static const uint8_t flags[] = { TCP_SYN_FLAG | TCP_ACK_FLAG, TCP_ACK_FLAG,
					 TCP_FIN | TCP_ACK_FLAG };

	*in = c->answer[draw(&c->draw, c->n_answer < ANSWERS ? c->n_answer : ANSWERS)];
	in->bytes[14 + 20 + 13] = flags[draw(&c->draw, sizeof(flags))];
	run(c->race, in, NULL);
}

static void step(struct cpu *c)
{
	static _Thread_local struct packet in;
	uint32_t kind = draw(&c->draw, 16), of = kind & 1;

	if (kind < 9)
		from_client(c, &in);
	else if (kind < 13 && c->n_answer)
		from_backend(c, &in);
	else if (kind < 15)
		c->admitted[of] += run(c->race, &c->frames->rate[of], NULL) == c->race->pass;
	else if (c->number == 0 && draw_one_in(&c->draw, 8)) /* one clock for both */
		__atomic_fetch_add(c->race->plane.now_ns, draw_magnitude(&c->draw, 32),
				   __ATOMIC_RELAXED);
	else
		run(c->race, &c->frames->udp, NULL);
}

static void *work(void *at)
{
	struct cpu *c = at;
	cpu_set_t set;
	uint64_t i;

	CPU_ZERO(&set);
	CPU_SET(c->number % (uint32_t)sysconf(_SC_NPROCESSORS_ONLN), &set);
	if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set))
		abort();
	for (i = 0; i < c->packets; i++)
		step(c);
	return NULL;
}

/* All of the clients' network are in a class that counts connections, and the others in one with a rate. */
static void limit(struct plane *p)
{
	struct limit_class class = { .row_bits = PLANE_ROW_BITS,
				     .row_first = CLASS_FLOWS * 2 << PLANE_ROW_BITS,
				     .rates = { { .concurrent = RACE_CONCURRENT } } };
	struct limit_state state;
	uint32_t id = CLASS_FLOWS;

	assert_int_equal(bpf_map_update_elem(plane_map(p, "limit_class"), &id, &class, BPF_ANY), 0);
	plane_limit_state(p, &state);
	for (id = 0; id < 8; id++)
		state.concurrent_key.row[id / 4][id % 4] = 0xd1342543de82ef95ULL * (id + 1);
	state.has_concurrent = 1;
	plane_limit_state_set(p, &state);
	plane_limit(p, CLASS_RATE, LIMIT_PACKETS, RACE_PER_S, RACE_BURST, false);
	plane_limit_prefix(p, "198.51.100.0", 24, CLASS_FLOWS);
	plane_limit_prefix(p, "203.0.113.0", 24, CLASS_RATE);
	plane_prove(p, EXACT, CLASS_RATE);
}

/* Both at once for a while, and then what they have left. */
static void both(struct race *r, struct cpu cpu[RACE_CPUS], uint64_t packets)
{
	uint32_t i;

	for (i = 0; i < RACE_CPUS; i++) {
		cpu[i].packets = packets;
		if (pthread_create(&cpu[i].thread, NULL, work, &cpu[i]))
			abort();
	}
	for (i = 0; i < RACE_CPUS; i++)
		pthread_join(cpu[i].thread, NULL);
	for (i = 0; i < 2; i++)
		r->admitted[i] = cpu[0].admitted[i] + cpu[1].admitted[i];
	race_check(r);
}

/* All are over, and one that counts for nobody looks at each slot. */
static void end(struct race *r, const struct frames *f)
{
	uint32_t i;

	*r->plane.now_ns += 8000 * PLANE_SECOND;
	for (i = 0; i <= NAT_LAB_FLOWS; i++) {
		*r->plane.now_ns += 2 * PLANE_SECOND;
		run(r, &f->udp, NULL);
	}
	race_check(r);
	race_check_end(r);
}

void race_run(const struct race_options *options, struct race_result *ret)
{
	const struct plane_settings settings = { .nat_cpus = 1, .planted = options->planted };
	struct cpu *cpu = calloc(RACE_CPUS, sizeof(*cpu));
	struct frames *frames = calloc(1, sizeof(*frames));
	struct race r = { .pass = options->hook == PLANE_XDP ? 2 : (uint32_t)-1 };
	uint64_t left, n;
	uint32_t i;

	if (!cpu || !frames)
		abort();
	plane_open(&r.plane, options->hook, &settings);
	nat_lab_open(&r.plane, false);
	limit(&r.plane);
	build(frames);
	r.begin_ns = *r.plane.now_ns;
	for (i = 0; i < RACE_CPUS; i++) {
		cpu[i].race = &r;
		cpu[i].frames = frames;
		cpu[i].number = i;
		cpu[i].draw = draw_from(options->seed + i);
	}
	for (left = options->packets; left && !r.said[0]; left -= n) {
		n = left < ROUND ? left : ROUND;
		both(&r, cpu, n);
	}
	if (!r.said[0])
		end(&r, frames);
	ret->opened = nat_lab_stats(&r.plane, false).opened;
	ret->refused = plane_drops(&r.plane, DROP_LIMIT_CONCURRENT).packets;
	ret->failed = r.said[0];
	memcpy(ret->said, r.said, sizeof(ret->said));
	plane_close(&r.plane);
	free(frames);
	free(cpu);
}
