/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages between our own processes: one SOCK_SEQPACKET datagram each, with descriptors attached.
 * Anything larger than IPC_PAYLOAD_MAX travels as a sealed memfd (ipc_blob_*).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define IPC_PAYLOAD_MAX 4096
#define IPC_FDS_MAX	16

struct ipc_msg {
	uint32_t type; /* an enum of the two parties */
	uint32_t len;
	uint32_t nfds;
	int fds[IPC_FDS_MAX]; /* owned by the receiver */
	char payload[IPC_PAYLOAD_MAX];
};

int ipc_pair(int ret[2]); /* non-blocking, close-on-exec */
/* 0, -EAGAIN, -EPIPE, -EMSGSIZE. The descriptors stay the sender's. */
int ipc_send(int fd, uint32_t type, const void *payload, size_t len, const int *fds, size_t nfds);
/* 1 with a message, 0 at the end of the stream, -EAGAIN, -EPROTO (descriptors were closed). */
int ipc_recv(int fd, struct ipc_msg *ret);
void ipc_msg_clear(struct ipc_msg *msg); /* closes descriptors that were not taken */

/* A memfd with these bytes, sealed against every change; the fd or negative errno. */
int ipc_blob_new(const char *name, const void *data, size_t len);
/* Read a sealed memfd into fresh memory (NUL added). -EPROTO: not sealed; -EFBIG: over max. */
int ipc_blob_read(int fd, size_t max_bytes, char **ret, size_t *ret_len);
/* Shared memory of this size that cannot shrink or grow. */
int ipc_shm_new(const char *name, size_t bytes);
