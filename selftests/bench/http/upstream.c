/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http_upstream: the endpoint behind the proxies of `make bench-http`. Answers GET /N with N bytes of
 * body.h, for as little of its own CPU as it can. Prints its port; ends with its standard input.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bench/http/body.h"

#define REQUEST_MAX_BYTES 4096
#define EVENTS		  256

struct peer {
	int fd;
	size_t got; /* of a request */
	char request[REQUEST_MAX_BYTES];
	char head[160];
	size_t head_left, head_bytes, body_at, body_bytes;
};

static unsigned char *body;
static int epoll_fd;

static void peer_close(struct peer *p)
{
	close(p->fd);
	free(p);
}

/* false: it is gone. */
static bool push(struct peer *p)
{
	while (p->head_left || p->body_at < p->body_bytes) {
		struct iovec parts[] = {
			{ p->head + p->head_bytes - p->head_left, p->head_left },
			{ body + p->body_at, p->body_bytes - p->body_at },
		};
		ssize_t n = writev(p->fd, parts, 2);
		size_t of_head;

		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0) {
			peer_close(p);
			return false;
		}
		of_head = (size_t)n < p->head_left ? (size_t)n : p->head_left;
		p->head_left -= of_head;
		p->body_at += (size_t)n - of_head;
	}
	return true;
}

static bool answer(struct peer *p)
{
	unsigned long n;

	if (sscanf(p->request, "GET /%lu HTTP/1.1\r\n", &n) != 1 || n > BODY_MAX_BYTES) {
		fprintf(stderr, "http_upstream: not a request of ours: %.60s\n", p->request);
		peer_close(p);
		return false;
	}
	p->head_bytes = (size_t)snprintf(p->head, sizeof(p->head),
					 "HTTP/1.1 200 OK\r\nContent-Length: %lu\r\n"
					 "Content-Type: application/octet-stream\r\n"
					 "Date: Sun, 22 Nov 2026 00:00:00 GMT\r\n\r\n",
					 n);
	p->head_left = p->head_bytes;
	p->body_at = 0;
	p->body_bytes = n;
	p->got = 0;
	return push(p);
}

/* Requests come one at a time: whatever ends with an empty line is one. */
static void take(struct peer *p)
{
	ssize_t n = recv(p->fd, p->request + p->got, sizeof(p->request) - 1 - p->got, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		peer_close(p);
		return;
	}
	p->got += (size_t)n;
	p->request[p->got] = '\0';
	if (p->got >= 4 && memcmp(p->request + p->got - 4, "\r\n\r\n", 4) == 0)
		answer(p);
}

static void watch(int fd, uint32_t events, void *ptr)
{
	struct epoll_event ev = { .events = events, .data.ptr = ptr };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev)) {
		perror("http_upstream: epoll_ctl");
		exit(1);
	}
}

static void accept_all(int listener)
{
	int fd, on = 1;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct peer *p = calloc(1, sizeof(*p));

		if (!p)
			exit(1);
		p->fd = fd;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		watch(fd, EPOLLIN | EPOLLOUT | EPOLLET, p);
	}
}

static int listen_any(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) || listen(fd, 4096) ||
	    getsockname(fd, (struct sockaddr *)&sa, &len)) {
		perror("http_upstream: listen");
		exit(1);
	}
	printf("%d\n", ntohs(sa.sin_port));
	fflush(stdout);
	return fd;
}

int main(void)
{
	static struct epoll_event events[EVENTS];
	static int stdin_mark;
	int listener = listen_any();

	body = malloc(BODY_MAX_BYTES);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!body || epoll_fd < 0)
		return 1;
	body_fill(body, BODY_MAX_BYTES);
	watch(listener, EPOLLIN, &listener);
	watch(STDIN_FILENO, EPOLLIN, &stdin_mark);
	for (;;) {
		int n = epoll_wait(epoll_fd, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == &stdin_mark)
				return 0;
			if (events[i].data.ptr == &listener)
				accept_all(listener);
			else if (push(events[i].data.ptr) && (events[i].events & ~EPOLLOUT))
				take(events[i].data.ptr);
		}
	}
}
