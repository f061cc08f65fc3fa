/* SPDX-License-Identifier: BSD-2-Clause */
#include "handover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "net/ipc.h"

#define HANDOVER_MAGIC 0x3176766f68636c73ULL /* "slchovv1" */
#define HANDOVER_ROWS_MAX \
	(KEPT_FDS_MAX + LISTEN_GROUPS_MAX * MESSAGE_WORKERS_MAX + MESSAGE_SLOTS_MAX + 8)
#define HANDOVER_MAX_BYTES (16U << 20)

/* Their numbers are for ever: another version reads them. */
enum kind {
	KIND_CONTROL = 1, /* name: its path */
	KIND_INTERNAL = 2,
	KIND_BPFFS = 3, /* name: the directory */
	KIND_CONFIG = 4,
	KIND_KEPT = 5,	 /* name */
	KIND_SOCKET = 6, /* address, port, index: the worker's place in its generation */
	KIND_WORKER = 7, /* index: slot; pid */
};

struct head {
	uint64_t magic;
	uint32_t row_bytes; /* later versions may append to a row */
	uint32_t n_rows;
	uint32_t base;
	uint32_t reserved;
};

struct row {
	uint32_t kind;
	int32_t fd;
	uint32_t index;
	int32_t pid;
	struct addr address;
	uint32_t port;
	char name[HANDOVER_PATH_MAX];
};

struct rows {
	struct row *row;
	size_t n;
};

/* NULL: there is nothing to hand over. Room was made for all there can be. */
static struct row *add(struct rows *r, enum kind kind, int fd, const char *name)
{
	struct row *row;

	if (fd < 0)
		return NULL;
	row = &r->row[r->n++];
	row->kind = kind;
	row->fd = fd;
	snprintf(row->name, sizeof(row->name), "%s", name);
	return row;
}

static void add_groups(struct rows *r, const struct listen_groups *groups)
{
	for (size_t i = 0; i < LISTEN_GROUPS_MAX; i++) {
		const struct listen_group *g = &groups->group[i];

		for (uint32_t n = 0; g->port && n < g->n; n++) {
			struct row *row = add(r, KIND_SOCKET, g->fds[n], "");

			if (!row)
				continue;
			row->address = g->address;
			row->port = g->port;
			row->index = n;
		}
	}
}

static int list(const struct handover *h, struct rows *r)
{
	r->n = 0;
	r->row = calloc(HANDOVER_ROWS_MAX, sizeof(*r->row));
	if (!r->row)
		return -ENOMEM;
	add(r, KIND_CONTROL, h->control_fd, h->control_socket);
	add(r, KIND_INTERNAL, h->internal_fd, "");
	add(r, KIND_BPFFS, h->bpffs_fd, h->bpffs_dir);
	add(r, KIND_CONFIG, h->config_fd, "");
	for (size_t i = 0; i < h->kept.n; i++)
		add(r, KIND_KEPT, h->kept.row[i].fd, h->kept.row[i].name);
	add_groups(r, &h->groups);
	for (uint32_t slot = 0; slot < MESSAGE_SLOTS_MAX; slot++) {
		struct row *row =
			h->worker[slot].pid ? add(r, KIND_WORKER, h->worker[slot].fd, "") : NULL;

		if (!row)
			continue;
		row->index = slot;
		row->pid = h->worker[slot].pid;
	}
	return 0;
}

int handover_write(const struct handover *h)
{
	struct head head = { .magic = HANDOVER_MAGIC,
			     .row_bytes = sizeof(struct row),
			     .base = h->base };
	CLEANUP(buf_clear) struct buf out;
	CLEANUP_FREE struct row *row = NULL;
	struct rows rows;
	int ret = list(h, &rows);

	buf_init(&out, HANDOVER_MAX_BYTES);
	row = rows.row;
	head.n_rows = (uint32_t)rows.n;
	if (!ret)
		ret = buf_add(&out, &head, sizeof(head));
	if (!ret && rows.n)
		ret = buf_add(&out, row, rows.n * sizeof(*row));
	if (!ret)
		ret = ipc_blob_new("handover", buf_head(&out), buf_len(&out));
	if (ret >= 0 && fcntl(ret, F_SETFD, 0)) {
		close(ret);
		return -errno;
	}
	return ret;
}

void handover_inherit(const struct handover *h, bool inherit)
{
	struct rows r;

	if (list(h, &r))
		return;
	for (size_t i = 0; i < r.n; i++)
		(void)fcntl(r.row[i].fd, F_SETFD, inherit ? 0 : FD_CLOEXEC);
	free(r.row);
}

static struct listen_group *group_of(struct listen_groups *s, const struct row *row)
{
	for (size_t i = 0; i < LISTEN_GROUPS_MAX; i++) {
		struct listen_group *g = &s->group[i];

		if (g->port == row->port && addr_eq(&g->address, &row->address))
			return g;
		if (!g->port) {
			g->port = (uint16_t)row->port;
			g->address = row->address;
			return g;
		}
	}
	return NULL;
}

static int take_socket(struct handover *h, const struct row *row)
{
	struct listen_group *g =
		row->port && row->port <= UINT16_MAX ? group_of(&h->groups, row) : NULL;

	/* they were written in order */
	if (!g || g->n != row->index || row->index >= MESSAGE_WORKERS_MAX)
		return -EPROTO;
	g->fds[g->n++] = row->fd;
	return 0;
}

static int take_kept(struct handover *h, const struct row *row)
{
	struct kept_fds *k = &h->kept;

	if (k->n == KEPT_FDS_MAX || strlen(row->name) >= KEPT_FDS_NAME_MAX)
		return -EPROTO;
	memcpy(k->row[k->n].name, row->name, strlen(row->name) + 1);
	k->row[k->n++].fd = row->fd;
	return 0;
}

static int take_worker(struct handover *h, const struct row *row)
{
	if (row->index >= MESSAGE_SLOTS_MAX || row->pid <= 0 || h->worker[row->index].pid)
		return -EPROTO;
	h->worker[row->index].pid = row->pid;
	h->worker[row->index].fd = row->fd;
	return 0;
}

static int take(struct handover *h, const struct row *row)
{
	if (row->fd < 0 || fcntl(row->fd, F_SETFD, FD_CLOEXEC))
		return -EPROTO;
	switch (row->kind) {
	case KIND_CONTROL:
		h->control_fd = row->fd;
		memcpy(h->control_socket, row->name, sizeof(row->name));
		return 0;
	case KIND_INTERNAL:
		h->internal_fd = row->fd;
		return 0;
	case KIND_BPFFS:
		h->bpffs_fd = row->fd;
		memcpy(h->bpffs_dir, row->name, sizeof(row->name));
		return 0;
	case KIND_CONFIG:
		h->config_fd = row->fd;
		return 0;
	case KIND_KEPT:
		return take_kept(h, row);
	case KIND_SOCKET:
		return take_socket(h, row);
	case KIND_WORKER:
		return take_worker(h, row);
	}
	return -EPROTO; /* what we do not know we cannot hold */
}

int handover_read(int fd, struct handover *ret, struct errmsg *err)
{
	CLEANUP_FREE char *data = NULL;
	struct head head;
	size_t len;
	int code = ipc_blob_read(fd, HANDOVER_MAX_BYTES, &data, &len);

	*ret = (struct handover) {
		.control_fd = -1, .internal_fd = -1, .bpffs_fd = -1, .config_fd = -1
	};
	if (code || len < sizeof(head))
		return errmsg_set(err, -EPROTO, "descriptor %d is not what a monitor hands over",
				  fd);
	memcpy(&head, data, sizeof(head));
	if (head.magic != HANDOVER_MAGIC || head.row_bytes < sizeof(struct row) ||
	    head.n_rows > HANDOVER_ROWS_MAX || head.base % MESSAGE_WORKERS_MAX ||
	    head.base >= MESSAGE_SLOTS_MAX ||
	    len != sizeof(head) + (size_t)head.n_rows * head.row_bytes)
		return errmsg_set(err, -EPROTO,
				  "the running version hands over in a way that " SLUICE_VERSION
				  " does not know: restart instead");
	ret->base = head.base;
	for (uint32_t i = 0; i < head.n_rows && !code; i++) {
		struct row row;

		memcpy(&row, data + sizeof(head) + (size_t)i * head.row_bytes, sizeof(row));
		row.name[sizeof(row.name) - 1] = '\0';
		code = take(ret, &row);
		if (code)
			return errmsg_set(err, code,
					  "row %u of the handover (kind %u, descriptor %d) is not "
					  "to be used: restart instead",
					  i, row.kind, row.fd);
	}
	if (ret->control_fd < 0 || ret->config_fd < 0)
		return errmsg_set(err, -EPROTO, "the handover lacks its socket or its text");
	return 0;
}

void handover_name(struct handover *h, const struct conf_agent *c)
{
	snprintf(h->control_socket, sizeof(h->control_socket), "%s", c->control_socket);
	snprintf(h->bpffs_dir, sizeof(h->bpffs_dir), "%s", c->bpffs_dir ? c->bpffs_dir : "");
}

/* Compared as far as it was kept. */
static bool differs(const char *held, const char *wanted)
{
	return strncmp(held, wanted ? wanted : "", HANDOVER_PATH_MAX - 1) != 0;
}

int handover_fits(const struct handover *h, const struct conf *conf, struct errmsg *err)
{
	const char *what = NULL;

	if (differs(h->control_socket, conf->agent.control_socket))
		what = "agent.control_socket";
	else if (h->bpffs_fd >= 0 && differs(h->bpffs_dir, conf->agent.bpffs_dir))
		what = "agent.bpffs_dir";
	else if ((h->bpffs_fd >= 0) != conf_wants_kernel(conf))
		what = "whether there is a kernel half";
	return what ? errmsg_set(err, -EINVAL,
				 "%s was changed since the agent began: restart instead", what)
		    : 0;
}

uint32_t handover_leaving(const struct handover *h)
{
	uint32_t n = 0;

	for (uint32_t slot = 0; slot < MESSAGE_SLOTS_MAX; slot++)
		n += h->worker[slot].pid &&
		     slot / MESSAGE_WORKERS_MAX != h->base / MESSAGE_WORKERS_MAX;
	return n;
}
