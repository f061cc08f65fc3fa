/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/ipc.h"

struct fixture {
	int fd[2];
	struct ipc_msg msg;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	return ipc_pair(f->fd);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close(f->fd[0]);
	if (f->fd[1] >= 0)
		close(f->fd[1]);
	free(f);
	return 0;
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_messages_keep_type_payload_and_bounds(void **state)
{
	static const size_t sizes[] = { 0, 1, 100, IPC_PAYLOAD_MAX };
	struct fixture *f = *state;
	char payload[IPC_PAYLOAD_MAX + 1];

	memset(payload, 'p', sizeof(payload));
	assert_int_equal(ipc_recv(f->fd[1], &f->msg), -EAGAIN);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(ipc_send(f->fd[0], i, payload, sizes[i], NULL, 0), 0);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(ipc_recv(f->fd[1], &f->msg), 1);
		assert_int_equal(f->msg.type, i);
		assert_int_equal(f->msg.len, sizes[i]);
		assert_int_equal(f->msg.nfds, 0);
		assert_memory_equal(f->msg.payload, payload, sizes[i]);
	}
	assert_int_equal(ipc_send(f->fd[0], 1, payload, sizeof(payload), NULL, 0), -EMSGSIZE);
}

static void test_descriptors_arrive_close_on_exec_and_are_the_receivers(void **state)
{
	struct fixture *f = *state;
	int before = count_fds(), fds[IPC_FDS_MAX + 1], pipe_fds[2];
	char c;

	assert_int_equal(pipe(pipe_fds), 0);
	for (size_t i = 0; i < IPC_FDS_MAX + 1; i++)
		fds[i] = pipe_fds[1];
	assert_int_equal(ipc_send(f->fd[0], 7, "x", 1, fds, IPC_FDS_MAX + 1), -EMSGSIZE);
	assert_int_equal(ipc_send(f->fd[0], 7, "x", 1, fds, IPC_FDS_MAX), 0);
	close(pipe_fds[1]);
	assert_int_equal(ipc_recv(f->fd[1], &f->msg), 1);
	assert_int_equal(f->msg.nfds, IPC_FDS_MAX);
	for (size_t i = 0; i < IPC_FDS_MAX; i++)
		assert_true(fcntl(f->msg.fds[i], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(f->msg.fds[3], "y", 1), 1);
	assert_int_equal(read(pipe_fds[0], &c, 1), 1);
	ipc_msg_clear(&f->msg);
	assert_int_equal(read(pipe_fds[0], &c, 1), 0); /* the last writer is closed */
	close(pipe_fds[0]);
	assert_int_equal(count_fds(), before);
}

static void test_the_end_of_the_peer(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ipc_send(f->fd[1], 1, "bye", 3, NULL, 0), 0);
	assert_int_equal(ipc_send(f->fd[0], 1, "unread", 6, NULL, 0), 0);
	close(f->fd[1]);
	f->fd[1] = -1;
	assert_int_equal(ipc_send(f->fd[0], 1, "x", 1, NULL, 0), -EPIPE);
	assert_int_equal(ipc_recv(f->fd[0], &f->msg), 1); /* its last words are not lost */
	assert_memory_equal(f->msg.payload, "bye", 3);
	assert_int_equal(ipc_recv(f->fd[0], &f->msg), 0);
}

static void test_a_full_queue_says_so(void **state)
{
	struct fixture *f = *state;
	char payload[IPC_PAYLOAD_MAX] = { 0 };
	int err = 0;

	for (int i = 0; i < 10000 && !err; i++)
		err = ipc_send(f->fd[0], 1, payload, sizeof(payload), NULL, 0);
	assert_int_equal(err, -EAGAIN);
}

static void test_malformed_datagrams_are_refused_and_their_descriptors_closed(void **state)
{
	struct fixture *f = *state;
	union {
		char buf[CMSG_SPACE(sizeof(int) * 20)];
		struct cmsghdr align;
	} control = { 0 };
	uint32_t header[2] = { 1, 99 }; /* says 99 bytes of payload, has none */
	static char huge[IPC_PAYLOAD_MAX + 9];
	struct iovec iov = { header, sizeof(header) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	int before = count_fds(), fds[20];

	for (size_t i = 0; i < 20; i++)
		fds[i] = f->fd[0];
	m.msg_control = control.buf;
	m.msg_controllen = CMSG_SPACE(sizeof(int) * 20);
	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN(sizeof(int) * 20);
	memcpy(CMSG_DATA(&control.align), fds, sizeof(fds));
	assert_int_equal(sendmsg(f->fd[0], &m, 0), sizeof(header));
	assert_int_equal(ipc_recv(f->fd[1], &f->msg), -EPROTO);
	header[1] = 0; /* well-formed, but more descriptors than we take */
	assert_int_equal(sendmsg(f->fd[0], &m, 0), sizeof(header));
	assert_int_equal(ipc_recv(f->fd[1], &f->msg), -EPROTO);
	assert_int_equal(f->msg.nfds, 0);
	assert_int_equal(send(f->fd[0], header, 3, 0), 3);
	assert_int_equal(ipc_recv(f->fd[1], &f->msg), -EPROTO);
	assert_int_equal(send(f->fd[0], huge, sizeof(huge), 0), sizeof(huge));
	assert_int_equal(ipc_recv(f->fd[1], &f->msg), -EPROTO);
	assert_int_equal(count_fds(), before);
	assert_int_equal(ipc_send(f->fd[0], 5, NULL, 0, NULL, 0), 0); /* the next one is fine */
	assert_int_equal(ipc_recv(f->fd[1], &f->msg), 1);
}

static void test_a_blob_is_sealed_and_read_back(void **state)
{
	char *data, *big = calloc(1, 100000);
	size_t len;
	int fd;

	(void)state;
	fd = ipc_blob_new("test", "hello", 5);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "X", 1, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(ipc_blob_read(fd, 4, &data, &len), -EFBIG);
	for (int i = 0; i < 2; i++) { /* the position is nobody's */
		assert_int_equal(ipc_blob_read(fd, 5, &data, &len), 0);
		assert_int_equal(len, 5);
		assert_string_equal(data, "hello");
		free(data);
	}
	close(fd);
	fd = ipc_blob_new("test", big, 100000);
	assert_int_equal(ipc_blob_read(fd, 100000, &data, &len), 0);
	assert_memory_equal(data, big, len);
	free(data);
	free(big);
	close(fd);
	fd = memfd_create("open", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(ipc_blob_read(fd, 100, &data, &len), -EPROTO);
	close(fd);
	assert_int_equal(ipc_blob_read(STDIN_FILENO, 100, &data, &len), -EPROTO);
}

static void test_shared_memory_keeps_its_size(void **state)
{
	int fd = ipc_shm_new("test", 8192);
	char *a, *b;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 4096), -1);
	assert_int_equal(ftruncate(fd, 16384), -1);
	a = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	b = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
	a[8191] = 'z';
	assert_int_equal(b[8191], 'z');
	munmap(a, 8192);
	munmap(b, 8192);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define PAIR_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		PAIR_TEST(test_messages_keep_type_payload_and_bounds),
		PAIR_TEST(test_descriptors_arrive_close_on_exec_and_are_the_receivers),
		PAIR_TEST(test_the_end_of_the_peer),
		PAIR_TEST(test_a_full_queue_says_so),
		PAIR_TEST(test_malformed_datagrams_are_refused_and_their_descriptors_closed),
		cmocka_unit_test(test_a_blob_is_sealed_and_read_back),
		cmocka_unit_test(test_shared_memory_keeps_its_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
