/* SPDX-License-Identifier: BSD-2-Clause */
/* harness: alone */
/*
 * Real frames over a veth pair, in a network namespace of this process: what BPF_PROG_TEST_RUN
 * cannot make, since the stack takes a VLAN tag out of the frame before TC sees it.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "lib/proto.h"
#include "plane_case.h"

#define NEAR	     "sl-wire-a"
#define FAR	     "sl-wire-b"
#define ETH_P_ALL_BE 0x0300

static void command(const char *text)
{
	if (system(text) != 0)
		fail_msg("%s", text);
}

/* The program on the far end; the near one is where frames are sent. */
static void attach(struct plane *p)
{
	int ifindex = (int)if_nametoindex(FAR);
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = p->prog_fd);

	assert_true(ifindex > 0);
	if (p->hook == PLANE_XDP) {
		assert_int_equal(bpf_xdp_attach(ifindex, p->prog_fd, 0, NULL), 0);
		return;
	}
	assert_int_equal(bpf_tc_hook_create(&hook), 0);
	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
}

/* A queue that is not active yet swallows what is sent. */
static void wait_for_queue(void)
{
	command("for i in $(seq 500); do"
		" [ $(ip link | grep -c 'sl-wire-.* noqueue state UP') = 2 ] && exit 0;"
		" sleep 0.01; done; ip link; exit 1");
}

static void pair_up(struct plane *p, const char *make)
{
	command(make);
	/* No frames but ours. */
	command("sysctl -q -w net.ipv6.conf." NEAR ".disable_ipv6=1 net.ipv6.conf." FAR
		".disable_ipv6=1");
	command("ip link set " NEAR " up && ip link set " FAR " up");
	attach(p);
	wait_for_queue();
}

static void pair_down(void)
{
	command("ip link del " NEAR);
}

static void transmit(const struct packet *packet)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_ifindex = (int)if_nametoindex(NEAR),
				  .sll_halen = 6 };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, ETH_P_ALL_BE);

	assert_true(fd >= 0);
	assert_int_equal(
		sendto(fd, packet->bytes, packet->len, 0, (struct sockaddr *)&to, sizeof(to)),
		packet->len);
	close(fd);
}

/* Frames arrive by softirq, soon. */
static struct stats_count arrived(struct plane *p, uint64_t packets)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	struct stats_count all;
	int i;

	for (i = 0; i < 2000; i++) {
		all = plane_drops(p, DROP_NONE);
		if (all.packets >= packets)
			break;
		nanosleep(&pause, NULL);
	}
	assert_int_equal(all.packets, packets);
	return all;
}

static void test_tags(struct plane *p, const void *row)
{
	struct packet_spec spec = { .src = "198.51.100.7",
				    .dst = "192.0.2.10",
				    .proto = PROTO_UDP,
				    .sport = 4000,
				    .dport = 53,
				    .payload_bytes = 100 };
	uint64_t bytes = 0;
	struct packet packet;

	(void)row;
	pair_up(p, "ip link add " NEAR " type veth peer name " FAR);
	for (spec.tags = 0; spec.tags <= 2; spec.tags++) {
		packet_build(&spec, &packet);
		transmit(&packet);
		bytes += packet.len;
		assert_int_equal(arrived(p, spec.tags + 1).bytes, bytes);
	}
	assert_int_equal(plane_actions(p, STATS_PASS).packets, 3);
	/* None of them walks past a list. */
	plane_acl(p, SOURCE_LIST_DENY, "198.51.100.0", 24);
	for (spec.tags = 0; spec.tags <= 2; spec.tags++) {
		packet_build(&spec, &packet);
		transmit(&packet);
		arrived(p, spec.tags + 4);
	}
	assert_int_equal(plane_drops(p, DROP_ACL_DENY).packets, 3);
	pair_down();
}

/* Jumbo frames: longer than the buffer that a driver gives to XDP at once. */
static void test_jumbo(struct plane *p, const void *row)
{
	struct packet_spec spec = { .src = "198.51.100.7",
				    .dst = "192.0.2.10",
				    .proto = PROTO_UDP,
				    .sport = 4000,
				    .dport = 53,
				    .payload_bytes = 3900 };
	struct packet packet;

	(void)row;
	pair_up(p, "ip link add " NEAR " mtu 9000 type veth peer name " FAR " mtu 9000");
	packet_build(&spec, &packet);
	transmit(&packet);
	assert_int_equal(arrived(p, 1).bytes, packet.len);
	assert_int_equal(plane_actions(p, STATS_PASS).packets, 1);
	pair_down();
}

int main(void)
{
	if (unshare(CLONE_NEWNET)) {
		fprintf(stderr, "test_wire: a network namespace: %s\n", strerror(errno));
		return 1;
	}
	plane_case_add("tags are seen where the stack has put them", test_tags);
	plane_case_add("a jumbo frame passes and is counted whole", test_jumbo);
	return plane_case_run("wire");
}
