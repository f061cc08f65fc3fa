/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "ipc.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif

#define BLOB_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

struct ipc_header {
	uint32_t type;
	uint32_t len; /* of the payload behind it */
};

union ipc_control {
	char buf[CMSG_SPACE(sizeof(int) * IPC_FDS_MAX)];
	struct cmsghdr align;
};

int ipc_pair(int ret[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ret))
		return -errno;
	return 0;
}

int ipc_send(int fd, uint32_t type, const void *payload, size_t len, const int *fds, size_t nfds)
{
	struct ipc_header header = { .type = type, .len = (uint32_t)len };
	struct iovec iov[2] = {
		{ &header, sizeof(header) },
		{ (void *)(uintptr_t)payload, len }, /* sendmsg(2) only reads it */
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = len ? 2 : 1 };
	union ipc_control control = { 0 };

	if (len > IPC_PAYLOAD_MAX || nfds > IPC_FDS_MAX)
		return -EMSGSIZE;
	if (nfds) {
		struct cmsghdr *cmsg = &control.align;

		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * nfds);
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
	}
	while (sendmsg(fd, &msg, MSG_NOSIGNAL) < 0) {
		if (errno == ECONNRESET || errno == ENOTCONN)
			return -EPIPE;
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static void take_fds(struct msghdr *msg, struct ipc_msg *ret)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (ret->nfds < IPC_FDS_MAX)
				ret->fds[ret->nfds++] = fd;
			else
				close(fd);
		}
	}
}

int ipc_recv(int fd, struct ipc_msg *ret)
{
	struct ipc_header header = { 0 };
	struct iovec iov[2] = {
		{ &header, sizeof(header) },
		{ ret->payload, sizeof(ret->payload) },
	};
	union ipc_control control;
	struct msghdr msg = {
		.msg_iov = iov,
		.msg_iovlen = 2,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t n;

	ret->nfds = 0;
	do { /* a peer that died with messages of ours unread resets once; its last ones are behind */
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n < 0)
		return -errno;
	take_fds(&msg, ret);
	if (n == 0 && !ret->nfds)
		return 0;
	if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || (size_t)n < sizeof(header) ||
	    header.len != (size_t)n - sizeof(header)) {
		ipc_msg_clear(ret);
		return -EPROTO;
	}
	ret->type = header.type;
	ret->len = header.len;
	return 1;
}

void ipc_msg_clear(struct ipc_msg *msg)
{
	for (uint32_t i = 0; i < msg->nfds; i++) {
		if (msg->fds[i] >= 0)
			close(msg->fds[i]);
	}
	msg->nfds = 0;
}

static int memfd_open(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? -errno : fd;
}

int ipc_blob_new(const char *name, const void *data, size_t len)
{
	CLEANUP_FD int fd = memfd_open(name);
	const char *at = data;

	if (fd < 0)
		return fd;
	while (len) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		len -= (size_t)n;
	}
	if (fcntl(fd, F_ADD_SEALS, BLOB_SEALS | F_SEAL_SEAL))
		return -errno;
	return take_fd(&fd);
}

int ipc_blob_read(int fd, size_t max_bytes, char **ret, size_t *ret_len)
{
	int seals = fcntl(fd, F_GET_SEALS);
	CLEANUP_FREE char *data = NULL;
	struct stat st;
	size_t len, done = 0;

	/* without the seals its maker could change it after our checks */
	if (seals < 0 || (seals & BLOB_SEALS) != BLOB_SEALS)
		return -EPROTO;
	if (fstat(fd, &st))
		return -errno;
	if (st.st_size < 0 || (uint64_t)st.st_size > max_bytes)
		return -EFBIG;
	len = (size_t)st.st_size;
	data = malloc(len + 1);
	if (!data)
		return -ENOMEM;
	while (done < len) {
		ssize_t n = pread(fd, data + done, len - done, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPROTO;
		done += (size_t)n;
	}
	data[len] = '\0';
	*ret = take_ptr(&data);
	*ret_len = len;
	return 0;
}

int ipc_shm_new(const char *name, size_t bytes)
{
	CLEANUP_FD int fd = memfd_open(name);

	if (fd < 0)
		return fd;
	if (ftruncate(fd, (off_t)bytes))
		return -errno;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -errno;
	return take_fd(&fd);
}
