/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/addr.h"
#include "net/sock.h"

#define WAIT_MS 5000

static uint16_t port_of(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr a;
	uint16_t port = 0;

	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	assert_int_equal(addr_from_sockaddr((struct sockaddr *)&ss, &a, &port), 0);
	return port;
}

static void wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
}

static void check_flags(int fd)
{
	int on = 0;
	socklen_t len = sizeof(on);

	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
	assert_int_equal(on, 1);
}

static void connect_over(const char *text)
{
	struct addr addr, peer;
	uint16_t peer_port;
	int listening, client, server;

	assert_int_equal(addr_parse(text, &addr), 0);
	listening = sock_listen(&addr, 0, 8);
	assert_true(listening >= 0);
	assert_int_equal(sock_accept(listening, &peer, &peer_port), -EAGAIN);
	client = sock_connect(&addr, port_of(listening));
	assert_true(client >= 0);
	wait_for(listening, POLLIN);
	server = sock_accept(listening, &peer, &peer_port);
	assert_true(server >= 0);
	assert_true(addr_eq(&peer, &addr));
	assert_int_equal(peer_port, port_of(client));
	wait_for(client, POLLOUT);
	assert_int_equal(sock_error(client), 0);
	check_flags(client);
	check_flags(server);
	close(client);
	close(server);
	close(listening);
}

static void test_connecting_over_both_families(void **state)
{
	(void)state;
	connect_over("127.0.0.1");
	connect_over("::1");
}

static void test_both_families_can_have_the_same_port(void **state)
{
	struct addr any4, any6;
	int fd4, fd6, again;

	(void)state;
	addr_parse("0.0.0.0", &any4);
	addr_parse("::", &any6);
	fd4 = sock_listen(&any4, 0, 8);
	assert_true(fd4 >= 0);
	fd6 = sock_listen(&any6, port_of(fd4), 8);
	assert_true(fd6 >= 0);
	again = sock_listen(&any4, port_of(fd4), 8); /* SO_REUSEPORT: a socket per worker */
	assert_true(again >= 0);
	close(fd4);
	close(fd6);
	close(again);
}

static void test_a_port_in_use_and_a_foreign_address_are_errors(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct addr loopback, foreign;
	int fd = socket(AF_INET, SOCK_STREAM, 0); /* without SO_REUSEPORT */

	(void)state;
	addr_parse("127.0.0.1", &loopback);
	addr_parse("192.0.2.1", &foreign);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(sock_listen(&loopback, port_of(fd), 8), -EADDRINUSE);
	assert_int_equal(sock_listen(&foreign, 0, 8), -EADDRNOTAVAIL);
	close(fd);
}

static void test_a_refused_connection_is_told_by_its_error(void **state)
{
	struct addr loopback;
	uint16_t port;
	int fd;

	(void)state;
	addr_parse("127.0.0.1", &loopback);
	fd = sock_listen(&loopback, 0, 8);
	port = port_of(fd);
	close(fd);
	fd = sock_connect(&loopback, port);
	if (fd >= 0) {
		wait_for(fd, POLLOUT);
		assert_int_equal(sock_error(fd), -ECONNREFUSED);
		close(fd);
	} else {
		assert_int_equal(fd, -ECONNREFUSED);
	}
}

static void test_a_unix_socket_replaces_a_stale_file_and_nothing_else(void **state)
{
	char dir[] = "/tmp/sluice-sock-XXXXXX", path[64], long_path[200];
	struct stat st;
	int fd, other;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	fd = sock_listen_unix(path, 0660);
	assert_true(fd >= 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(sock_listen_unix(path, 0660), -EADDRINUSE);
	close(fd);
	fd = sock_listen_unix(path, 0600); /* the file is still there, nobody listens */
	assert_true(fd >= 0);
	close(fd);
	unlink(path);
	other = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(other);
	assert_int_equal(sock_listen_unix(path, 0660), -EADDRINUSE);
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);
	rmdir(dir);
	snprintf(long_path, sizeof(long_path), "/tmp/%0150d", 0);
	assert_int_equal(sock_listen_unix(long_path, 0660), -ENAMETOOLONG);
	assert_int_equal(sock_listen_unix(path, 0660), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connecting_over_both_families),
		cmocka_unit_test(test_both_families_can_have_the_same_port),
		cmocka_unit_test(test_a_port_in_use_and_a_foreign_address_are_errors),
		cmocka_unit_test(test_a_refused_connection_is_told_by_its_error),
		cmocka_unit_test(test_a_unix_socket_replaces_a_stale_file_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
