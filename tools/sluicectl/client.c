/* SPDX-License-Identifier: BSD-2-Clause */
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sluice/ctl/ctl.h"

#define ANCESTORS_MAX	  32
#define ENVIRON_MAX_BYTES (1U << 20)

int client_open(struct client *c, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	*c = (struct client) { .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	if (c->fd < 0)
		return -errno;
	if (connect(c->fd, (struct sockaddr *)&address, sizeof(address))) {
		int err = -errno;

		close(c->fd);
		return err;
	}
	return 0;
}

void client_close(struct client *c)
{
	close(c->fd);
	free(c->line);
}

static int client_send(struct client *c, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(c->fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The first byte, and the descriptor with it. */
static int client_send_fd(struct client *c, const char *text, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)text, 1 }; /* sendmsg(2) only reads it */
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	struct cmsghdr *h = &control.align;

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	while (sendmsg(c->fd, &msg, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static int client_fill(struct client *c)
{
	ssize_t n;

	if (c->len == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 65536;
		char *line = cap <= CTL_ANSWER_MAX_BYTES ? realloc(c->line, cap) : NULL;

		if (!line)
			return -EMSGSIZE;
		c->line = line;
		c->cap = cap;
	}
	do
		n = recv(c->fd, c->line + c->len, c->cap - c->len, 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : -EPIPE;
	c->len += (size_t)n;
	return 0;
}

int client_next(struct client *c, json_t **ret)
{
	size_t scanned = 0;
	char *end;
	json_t *json;

	for (;;) {
		int err;

		end = c->len > scanned ? memchr(c->line + scanned, '\n', c->len - scanned) : NULL;
		if (end)
			break;
		scanned = c->len;
		err = client_fill(c);
		if (err)
			return err;
	}
	json = json_loadb(c->line, (size_t)(end - c->line), 0, NULL);
	c->len -= (size_t)(end + 1 - c->line);
	memmove(c->line, end + 1, c->len);
	if (!json_is_object(json)) {
		json_decref(json);
		return -EPROTO;
	}
	*ret = json;
	return 0;
}

int client_call(struct client *c, const json_t *request, json_t **ret)
{
	return client_call_fd(c, request, -1, ret);
}

int client_call_fd(struct client *c, const json_t *request, int fd, json_t **ret)
{
	char *text = json_dumps(request, JSON_COMPACT);
	int err = text ? 0 : -ENOMEM;

	if (!err && fd >= 0)
		err = client_send_fd(c, text, fd);
	if (!err)
		err = client_send(c, text + (fd >= 0), strlen(text) - (fd >= 0));

	free(text);
	if (!err)
		err = client_send(c, "\n", 1);
	/* Who refuses the connection says why before he closes it. */
	return err && err != -EPIPE ? err : client_next(c, ret);
}

/* One NUL-separated file of /proc, NUL-terminated; NULL when it cannot be read. */
static char *read_proc(pid_t pid, const char *name)
{
	char path[64];
	CLEANUP_FD int fd = -1;
	char *text = malloc(ENVIRON_MAX_BYTES + 2);
	size_t len = 0;
	ssize_t n = 1;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && text && n > 0 && len < ENVIRON_MAX_BYTES) {
		n = read(fd, text + len, ENVIRON_MAX_BYTES - len);
		len += n > 0 ? (size_t)n : 0;
	}
	if (fd < 0 || !text) {
		free(text);
		return NULL;
	}
	text[len] = text[len + 1] = 0; /* the second ends a list whose last item was cut */
	return text;
}

static pid_t parent_of(pid_t pid)
{
	CLEANUP_FREE char *stat = read_proc(pid, "stat");
	const char *behind_name = stat ? strrchr(stat, ')') : NULL;
	int parent = 0;

	if (!behind_name || sscanf(behind_name + 1, " %*c %d", &parent) != 1)
		return 0;
	return parent;
}

static int first_word(const char *value, char *text, size_t text_bytes)
{
	size_t n = strcspn(value, " ");

	if (n == 0 || n >= text_bytes)
		return -ENOENT;
	memcpy(text, value, n);
	text[n] = 0;
	return 0;
}

int client_ssh_address(char *text, size_t text_bytes)
{
	static const char name[] = "SSH_CONNECTION=";
	const char *own = getenv("SSH_CONNECTION");
	pid_t pid = getppid();

	if (own)
		return first_word(own, text, text_bytes);
	for (int i = 0; i < ANCESTORS_MAX && pid > 1; i++) {
		CLEANUP_FREE char *environment = read_proc(pid, "environ");

		for (const char *p = environment; p && *p; p += strlen(p) + 1)
			if (!strncmp(p, name, sizeof(name) - 1))
				return first_word(p + sizeof(name) - 1, text, text_bytes);
		pid = parent_of(pid);
	}
	return -ENOENT;
}
