/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "sock.h"

static int set_flag(int fd, int level, int option)
{
	int on = 1;

	return setsockopt(fd, level, option, &on, sizeof(on)) ? -errno : 0;
}

static int open_tcp(const struct sockaddr_storage *ss)
{
	int fd = socket(ss->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);

	return fd < 0 ? -errno : fd;
}

int sock_listen(const struct addr *addr, uint16_t port, int backlog)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(addr, port, &ss);
	CLEANUP_FD int fd = open_tcp(&ss);
	int err;

	if (fd < 0)
		return fd;
	err = set_flag(fd, SOL_SOCKET, SO_REUSEADDR);
	if (!err)
		err = set_flag(fd, SOL_SOCKET, SO_REUSEPORT);
	/* else "::" would take IPv4's port too, and 0.0.0.0 beside it would fail */
	if (!err && ss.ss_family == AF_INET6)
		err = set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	if (err)
		return err;
	if (bind(fd, (struct sockaddr *)&ss, len) || listen(fd, backlog))
		return -errno;
	return take_fd(&fd);
}

int sock_accept(int listen_fd, struct addr *ret_peer, uint16_t *ret_port)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int fd, err;

	do { /* a peer that is gone before we came is not our error */
		len = sizeof(ss);
		fd = accept4(listen_fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	} while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (fd < 0)
		return -errno;
	err = addr_from_sockaddr((struct sockaddr *)&ss, ret_peer, ret_port);
	if (err) {
		close(fd);
		return err;
	}
	set_flag(fd, IPPROTO_TCP, TCP_NODELAY); /* fails on a dead socket: reading will tell */
	return fd;
}

int sock_local(int fd, struct addr *ret, uint16_t *ret_port)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &len))
		return -errno;
	return addr_from_sockaddr((struct sockaddr *)&ss, ret, ret_port);
}

static int take_way(int fd, const struct sock_way *way)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int err;

	if (!way)
		return 0;
	if (way->mark && setsockopt(fd, SOL_SOCKET, SO_MARK, &way->mark, sizeof(way->mark)))
		return -errno;
	if (!way->has_source)
		return 0;
	/* The port is chosen by connect(2), that knows the peer: else they run out. */
	err = set_flag(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
	len = addr_to_sockaddr(&way->source, 0, &ss);
	if (!err && bind(fd, (struct sockaddr *)&ss, len))
		err = -errno;
	return err;
}

int sock_connect(const struct addr *addr, uint16_t port)
{
	return sock_connect_by(addr, port, NULL);
}

int sock_connect_by(const struct addr *addr, uint16_t port, const struct sock_way *way)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(addr, port, &ss);
	CLEANUP_FD int fd = open_tcp(&ss);
	int err;

	if (fd < 0)
		return fd;
	err = set_flag(fd, IPPROTO_TCP, TCP_NODELAY);
	if (!err)
		err = take_way(fd, way);
	if (err)
		return err;
	/* EINTR: the connection goes on asynchronously (POSIX) */
	if (connect(fd, (struct sockaddr *)&ss, len) && errno != EINPROGRESS && errno != EINTR)
		return -errno;
	return take_fd(&fd);
}

int sock_connect_udp(const struct addr *addr, uint16_t port)
{
	return sock_connect_udp_by(addr, port, NULL);
}

int sock_connect_udp_by(const struct addr *addr, uint16_t port, const struct sock_way *way)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(addr, port, &ss);
	CLEANUP_FD int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	err = take_way(fd, way);
	if (err)
		return err;
	if (connect(fd, (struct sockaddr *)&ss, len))
		return -errno;
	return take_fd(&fd);
}

int sock_error(int fd)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
		return -errno;
	return -err;
}

/* Somebody listens: -EADDRINUSE. A socket that nobody listens on is removed. */
static int remove_stale(const struct sockaddr_un *un)
{
	CLEANUP_FD int probe = -1;
	struct stat st;

	if (lstat(un->sun_path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EADDRINUSE;
	probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (probe < 0)
		return -errno;
	if (connect(probe, (const struct sockaddr *)un, sizeof(*un)) == 0 || errno != ECONNREFUSED)
		return -EADDRINUSE;
	return unlink(un->sun_path) && errno != ENOENT ? -errno : 0;
}

int sock_listen_unix(const char *path, unsigned int mode)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	CLEANUP_FD int fd = -1;
	int err;

	if (strlen(path) >= sizeof(un.sun_path))
		return -ENAMETOOLONG;
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	err = remove_stale(&un);
	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* bind(2) makes the file with the mode of the socket, so it is never wider than asked */
	if (fchmod(fd, mode) || bind(fd, (struct sockaddr *)&un, sizeof(un)))
		return -errno;
	if (chmod(path, mode) || listen(fd, SOMAXCONN)) { /* chmod: against the umask */
		err = -errno;
		unlink(path);
		return err;
	}
	return take_fd(&fd);
}
