/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A paced flood of made-up sources out of a veth, for tests and benchmarks. It sends by live frames of
 * BPF_PROG_TEST_RUN, so a core makes millions a second; it needs the device's peer to poll (GRO on),
 * and GRO on the device. It ends after its time or count, and on SIGTERM and SIGINT; nothing of it
 * stays.
 *
 * usage: flood send DEVICE MAC ADDRESS PORT --rate N|max --seconds S [--count N] [--mix udp,syn,ack]
 *                   [--one-source | --sources N] [--cpu N]
 *                               prints {"sent": N, "seconds": S} at its end; N: a power of two
 *        flood drop DEVICE       a program that drops all, until it is told to end
 *        flood drop-ipv4 DEVICE  the same, and it looks at the addresses before
 *        flood redirect DEVICE TO  a program that sends all out of device TO as it came
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>

#include "flood.h"

#include "flood.skel.h"

#define BATCH	    64
#define REPEAT	    (1 << 22) /* attempts of one call; a signal ends it */
#define TCP_SYN	    0x02
#define TCP_ACK	    0x10
#define SECONDS_MAX 600

struct options {
	unsigned int ifindex;
	uint8_t mac[6];
	struct in_addr address;
	uint16_t port;
	double rate; /* 0: max */
	double seconds;
	uint64_t count;
	const char *mix;
	uint32_t sources; /* 0: any */
	int cpu;	  /* -1: any */
};

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
	(void)number;
	ended = 1;
}

static void die(const char *what)
{
	fprintf(stderr, "flood: %s: %s\n", what, errno ? strerror(errno) : "not understood");
	exit(1);
}

/* Sum of 16-bit words as they lie in memory (RFC 1071: the byte order does not matter). */
static uint32_t sum16(const uint8_t *p, size_t bytes)
{
	uint32_t sum = 0;
	uint16_t word;

	for (size_t i = 0; i + 1 < bytes; i += 2) {
		memcpy(&word, p + i, 2);
		sum += word;
	}
	return sum;
}

static void put16(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

/* A frame from 0.0.0.0:0; flags 0: UDP. */
static void make(const struct options *o, uint8_t flags, struct flood_template *t)
{
	uint8_t *f = (uint8_t *)t->bytes, *ip = f + ETH_HLEN, *l4 = ip + 20, pseudo[4] = { 0 };
	uint16_t l4_bytes = flags ? 20 : FLOOD_FRAME_BYTES - ETH_HLEN - 20;

	memcpy(f, o->mac, 6);
	f[6] = 0x02; /* ours: locally administered */
	f[12] = 0x08;
	ip[0] = 0x45;
	put16(ip + 2, (uint16_t)(20 + l4_bytes));
	ip[6] = 0x40; /* do not fragment */
	ip[8] = 64;
	ip[9] = flags ? IPPROTO_TCP : IPPROTO_UDP;
	memcpy(ip + 16, &o->address, 4);
	t->ip_sum = sum16(ip, 20);
	put16(l4 + 2, o->port);
	if (!flags) {
		put16(l4 + 4, l4_bytes);
		return;
	}
	l4[7] = 1; /* sequence number */
	l4[12] = 5 << 4;
	l4[13] = flags;
	put16(l4 + 14, 0xffff);
	pseudo[1] = IPPROTO_TCP;
	put16(pseudo + 2, l4_bytes);
	t->l4_sum = sum16(l4, 20) + sum16(ip + 16, 4) + sum16(pseudo, 4);
	t->l4_sum_at = 50;
}

static void make_mix(const struct options *o, struct flood_plan *plan)
{
	char copy[64], *at = copy, *word;

	snprintf(copy, sizeof(copy), "%s", o->mix);
	while ((word = strsep(&at, ",")) && plan->templates < FLOOD_MIXES) {
		struct flood_template *t = &plan->template[plan->templates++];

		if (!strcmp(word, "udp"))
			make(o, 0, t);
		else if (!strcmp(word, "syn"))
			make(o, TCP_SYN, t);
		else if (!strcmp(word, "ack"))
			make(o, TCP_ACK, t);
		else
			die("--mix");
	}
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int send_all(const struct options *o)
{
	uint8_t frame[FLOOD_FRAME_BYTES] = { 0 };
	struct xdp_md ctx = { .data_end = sizeof(frame), .ingress_ifindex = o->ifindex };
	struct flood *flood = flood__open_and_load();
	struct itimerspec when = { 0 };
	double began, took;
	timer_t timer;

	if (!flood)
		die("load");
	make_mix(o, &flood->bss->flood_plan);
	flood->bss->flood_plan.sources = o->sources;
	flood->bss->flood_plan.count = o->count;
	flood->bss->flood_plan.interval_q8_ns = o->rate > 0 ? (uint64_t)(256e9 / o->rate) : 0;
	flood->data->flood_random ^= (uint64_t)getpid() << 20;
	when.it_value.tv_sec = (time_t)o->seconds;
	when.it_value.tv_nsec = (long)((o->seconds - (double)when.it_value.tv_sec) * 1e9) + 1;
	if (timer_create(CLOCK_MONOTONIC, NULL, &timer) || timer_settime(timer, 0, &when, NULL))
		die("timer");
	began = now_s();
	while (!ended && (!o->count || flood->bss->flood_sent < o->count)) {
		LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = sizeof(frame),
			    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = REPEAT,
			    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH);

		if (bpf_prog_test_run_opts(bpf_program__fd(flood->progs.flood_send), &run) &&
		    errno != EINTR)
			die("test_run");
	}
	took = now_s() - began;
	printf("{\"sent\": %llu, \"seconds\": %.6f}\n", (unsigned long long)flood->bss->flood_sent,
	       took);
	flood__destroy(flood);
	return 0;
}

static struct bpf_program *program_of(struct flood *flood, const char *how)
{
	if (!strcmp(how, "redirect"))
		return flood->progs.flood_redirect;
	return strcmp(how, "drop-ipv4") ? flood->progs.flood_drop : flood->progs.flood_drop_read;
}

/* A link goes with the process that holds it. */
static int attach(const char *how, int ifindex, unsigned int to)
{
	struct flood *flood = flood__open();
	sigset_t none;

	if (!flood)
		die("open");
	flood->rodata->flood_to = to;
	if (flood__load(flood))
		die("load");
	if (!bpf_program__attach_xdp(program_of(flood, how), ifindex))
		die("attach");
	puts("attached");
	fflush(stdout);
	sigemptyset(&none);
	while (!ended)
		sigsuspend(&none);
	return 0;
}

static void parse_options(int argc, char **argv, struct options *o)
{
	static const struct option names[] = { { "rate", required_argument, NULL, 'r' },
					       { "seconds", required_argument, NULL, 's' },
					       { "count", required_argument, NULL, 'n' },
					       { "mix", required_argument, NULL, 'm' },
					       { "cpu", required_argument, NULL, 'c' },
					       { "one-source", no_argument, NULL, '1' },
					       { "sources", required_argument, NULL, 'S' },
					       { 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case 'r':
			o->rate = strcmp(optarg, "max") ? strtod(optarg, NULL) : 0;
			break;
		case 's':
			o->seconds = strtod(optarg, NULL);
			break;
		case 'n':
			o->count = strtoull(optarg, NULL, 10);
			break;
		case 'm':
			o->mix = optarg;
			break;
		case 'c':
			o->cpu = atoi(optarg);
			break;
		case '1':
			o->sources = 1;
			break;
		case 'S':
			o->sources = (uint32_t)strtoul(optarg, NULL, 10);
			if (!o->sources || (o->sources & (o->sources - 1)))
				die("--sources");
			break;
		default:
			exit(2);
		}
	}
}

static void parse_target(char **argv, struct options *o)
{
	uint8_t *m = o->mac;

	if (sscanf(argv[0], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", m, m + 1, m + 2, m + 3, m + 4,
		   m + 5) != 6)
		die("MAC");
	if (inet_pton(AF_INET, argv[1], &o->address) != 1)
		die("ADDRESS");
	o->port = (uint16_t)atoi(argv[2]);
}

int main(int argc, char **argv)
{
	struct options o = { .mix = "udp,syn,ack", .cpu = -1 };
	struct sigaction act = { .sa_handler = on_signal };
	cpu_set_t one;

	parse_options(argc, argv, &o);
	argv += optind;
	argc -= optind;
	if (argc < 2 || (!strcmp(argv[0], "send") && argc < 5))
		die("usage");
	o.ifindex = if_nametoindex(argv[1]);
	if (!o.ifindex)
		die(argv[1]);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGALRM, &act, NULL);
	if (strcmp(argv[0], "send"))
		return attach(argv[0], (int)o.ifindex, argc > 2 ? if_nametoindex(argv[2]) : 0);
	parse_target(argv + 2, &o);
	if (!(o.seconds > 0) || o.seconds > SECONDS_MAX)
		die("--seconds");
	if (o.cpu >= 0) {
		CPU_ZERO(&one);
		CPU_SET((size_t)o.cpu, &one);
		if (sched_setaffinity(0, sizeof(one), &one))
			die("--cpu");
	}
	return send_all(&o);
}
