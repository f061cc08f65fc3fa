/* SPDX-License-Identifier: BSD-2-Clause */
#include "lane_net.h"

#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"

static void run(const char *command)
{
	if (system(command)) {
		fprintf(stderr, "failed: %s\n", command);
		abort();
	}
}

static void set(const char *path, const char *value)
{
	FILE *f = fopen(path, "we");

	if (!f || fputs(value, f) < 0 || fclose(f))
		abort();
}

static void give_addresses(const struct model_host *host)
{
	char address[ADDR_TEXT_MAX], command[128];
	uint32_t i;

	snprintf(command, sizeof(command), "ip link set lo mtu %u up", host->mtu);
	run(command);
	for (i = 0; i < MODEL_LOCALS; i++) {
		addr_format(&host->local[i], address);
		snprintf(command, sizeof(command), "ip addr add %s dev lo", address);
		run(command);
	}
	run("ip route add default dev lo && ip -6 route add default dev lo");
}

static int listener_open(uint16_t port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) || listen(fd, 64))
		abort();
	return fd;
}

void lane_net_open(struct lane_net *ret)
{
	const struct model_host host = world_host();
	uint32_t i;

	if (unshare(CLONE_NEWNET))
		abort();
	set("/proc/sys/net/ipv4/tcp_syncookies", "2");
	set("/proc/sys/net/ipv4/ip_forward", "1");
	set("/proc/sys/net/ipv6/conf/all/forwarding", "1");
	give_addresses(&host);
	for (i = 0; i < MODEL_LISTENERS; i++)
		ret->listener[i] = listener_open(host.listener_port[i]);
}

void lane_net_close(struct lane_net *n)
{
	uint32_t i;

	for (i = 0; i < MODEL_LISTENERS; i++)
		close(n->listener[i]);
}
