/* SPDX-License-Identifier: BSD-2-Clause */
/* What one program writes down of its descriptors and the next one reads. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/handover.h"
#include "base/addr.h"
#include "net/ipc.h"

static int open_any(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static bool is_inherited(int fd)
{
	return !(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static struct handover held;

static void fill(void)
{
	held = (struct handover) { .control_fd = open_any(),
				   .internal_fd = -1,
				   .bpffs_fd = open_any(),
				   .config_fd = open_any(),
				   .control_socket = "/run/sluice/control.sock",
				   .bpffs_dir = "/sys/fs/bpf/sluice",
				   .base = MESSAGE_WORKERS_MAX };
	held.worker[MESSAGE_WORKERS_MAX + 1].pid = 77;
	held.worker[MESSAGE_WORKERS_MAX + 1].fd = open_any();
	held.worker[2].pid = 78;
	/* a number that nothing else gets when it is closed */
	held.worker[2].fd = fcntl(held.control_fd, F_DUPFD_CLOEXEC, 500);
	for (int i = 0; i < 2; i++) {
		snprintf(held.kept.row[i].name, sizeof(held.kept.row[i].name), "metrics/%d", i);
		held.kept.row[held.kept.n++].fd = open_any();
	}
	for (uint16_t g = 0; g < 2; g++) {
		struct listen_group *to = &held.groups.group[3 + g]; /* groups have gaps */

		assert_int_equal(addr_parse(g ? "::" : "192.0.2.1", &to->address), 0);
		to->port = 443;
		for (to->n = 0; to->n < 3; to->n++)
			to->fds[to->n] = open_any();
	}
}

static void what_is_written_is_read(void **state)
{
	static struct handover got;
	struct errmsg err;
	int fd;

	(void)state;
	fill();
	fd = handover_write(&held);
	assert_true(fd >= 0 && is_inherited(fd));
	handover_inherit(&held, true);
	assert_true(is_inherited(held.control_fd) && is_inherited(held.kept.row[1].fd) &&
		    is_inherited(held.groups.group[4].fds[2]) && is_inherited(held.worker[2].fd));
	assert_int_equal(handover_read(fd, &got, &err), 0);
	assert_false(is_inherited(held.control_fd) || is_inherited(held.worker[2].fd));
	assert_int_equal(got.control_fd, held.control_fd);
	assert_int_equal(got.internal_fd, -1);
	assert_int_equal(got.bpffs_fd, held.bpffs_fd);
	assert_int_equal(got.config_fd, held.config_fd);
	assert_string_equal(got.control_socket, held.control_socket);
	assert_string_equal(got.bpffs_dir, held.bpffs_dir);
	assert_int_equal(got.base, MESSAGE_WORKERS_MAX);
	assert_int_equal(got.kept.n, 2);
	assert_string_equal(got.kept.row[1].name, "metrics/1");
	for (size_t g = 0; g < 2; g++) {
		const struct listen_group *want = &held.groups.group[3 + g];

		assert_int_equal(got.groups.group[g].port, 443);
		assert_true(addr_eq(&got.groups.group[g].address, &want->address));
		assert_int_equal(got.groups.group[g].n, 3);
		assert_memory_equal(got.groups.group[g].fds, want->fds, 3 * sizeof(int));
	}
	assert_int_equal(got.worker[MESSAGE_WORKERS_MAX + 1].pid, 77);
	assert_int_equal(got.worker[2].fd, held.worker[2].fd);
	assert_int_equal(handover_leaving(&got), 1);
	close(fd);
}

static int read_bytes(const char *data, size_t len)
{
	static struct handover got;
	struct errmsg err = { "" };
	int fd = ipc_blob_new("test", data, len), ret;

	assert_true(fd >= 0);
	ret = handover_read(fd, &got, &err);
	assert_true(!ret || err.text[0]);
	close(fd);
	return ret;
}

/* Cut, longer, of another magic, with a descriptor that nobody has: nothing of it is believed. */
static void what_is_none_is_refused(void **state)
{
	char *data;
	size_t len;
	int fd;

	(void)state;
	fill();
	fd = handover_write(&held);
	assert_int_equal(ipc_blob_read(fd, 1U << 20, &data, &len), 0);
	assert_int_equal(read_bytes(data, len), 0);
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(read_bytes(data, cut), -EPROTO);
	assert_int_equal(read_bytes(data, len + 1), -EPROTO); /* the NUL behind it */
	for (size_t at = 0; at < 20; at++) { /* magic, size and number of rows, base */
		data[at] = (char)~data[at];
		assert_int_equal(read_bytes(data, len), -EPROTO);
		data[at] = (char)~data[at];
	}
	close(held.worker[2].fd);
	assert_int_equal(read_bytes(data, len), -EPROTO);
	assert_int_equal(read_bytes("", 0), -EPROTO);
	free(data);
	close(fd);
}

static void what_only_a_start_changes_is_named(void **state)
{
	char dir[] = "/sys/fs/bpf/sluice", socket[] = "/run/sluice/control.sock", other[] = "/x";
	struct conf conf = { .agent = { .control_socket = socket, .bpffs_dir = dir } };
	struct errmsg err;

	(void)state;
	fill();
	conf.dataplane.enabled = true;
	assert_int_equal(handover_fits(&held, &conf, &err), 0);
	conf.agent.control_socket = other;
	assert_int_equal(handover_fits(&held, &conf, &err), -EINVAL);
	assert_non_null(strstr(err.text, "agent.control_socket"));
	conf.agent.control_socket = socket;
	conf.agent.bpffs_dir = other;
	assert_int_equal(handover_fits(&held, &conf, &err), -EINVAL);
	assert_non_null(strstr(err.text, "agent.bpffs_dir"));
	conf.agent.bpffs_dir = dir;
	conf.dataplane.enabled = false;
	assert_int_equal(handover_fits(&held, &conf, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(what_is_none_is_refused),
		cmocka_unit_test(what_only_a_start_changes_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
