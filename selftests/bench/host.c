/* SPDX-License-Identifier: BSD-2-Clause */
#include "host.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fill.h"
#include "frame.h"

static void write_setting(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		fill_die(path);
	close(fd);
}

void host_enter(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(FRAME_HOST_PORT),
				 .sin_addr.s_addr = htonl(FILL_VIP_ADDR) };
	struct ifreq lo = { .ifr_name = "lo" };
	int fd;

	if (unshare(CLONE_NEWNET))
		fill_die("network namespace");
	write_setting("/proc/sys/net/ipv4/tcp_syncookies", "2");
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memcpy(&lo.ifr_addr, &a, sizeof(a));
	if (fd < 0 || ioctl(fd, SIOCSIFADDR, &lo))
		fill_die("the address of lo");
	lo.ifr_flags = IFF_UP | IFF_LOOPBACK;
	if (ioctl(fd, SIOCSIFFLAGS, &lo))
		fill_die("lo");
	/* Open for as long as this process is. */
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 64))
		fill_die("listener");
}
