/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets as this project opens them: non-blocking, close-on-exec. Negative errno throughout. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sluice/abi/addr.h"

/* TCP, SO_REUSEADDR and SO_REUSEPORT, IPV6_V6ONLY for IPv6. The fd, or -EADDRINUSE, … */
int sock_listen(const struct addr *addr, uint16_t port, int backlog);
/* The fd (TCP_NODELAY set) with the peer's address, or -EAGAIN, -EMFILE, … */
int sock_accept(int listen_fd, struct addr *ret_peer, uint16_t *ret_port);
/* Where an accepted connection was made to. */
int sock_local(int fd, struct addr *ret, uint16_t *ret_port);
/* How a connection goes out, where routes alone do not say it. */
struct sock_way {
	uint32_t mark; /* SO_MARK: needs CAP_NET_ADMIN; 0: none */
	bool has_source;
	struct addr source; /* of the peer's family */
};

/* Start to connect: the fd, connected or connecting; sock_error tells when writable. */
int sock_connect(const struct addr *addr, uint16_t port);
/* A UDP socket that sends to and hears from that peer alone. */
int sock_connect_udp(const struct addr *addr, uint16_t port);
/* The same two by a way; NULL: by none. */
int sock_connect_by(const struct addr *addr, uint16_t port, const struct sock_way *way);
int sock_connect_udp_by(const struct addr *addr, uint16_t port, const struct sock_way *way);
int sock_error(int fd); /* SO_ERROR as a negative errno, 0 when there is none */
/* A listening UNIX socket; a stale file is replaced, a live one is -EADDRINUSE. */
int sock_listen_unix(const char *path, unsigned int mode);
