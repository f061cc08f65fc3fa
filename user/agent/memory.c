/* SPDX-License-Identifier: BSD-2-Clause */
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "dataplane/meter_map.h"
#include "net/ipc.h"

#define PRESENCE_BYTES (PRESENCE_WORKERS_MAX * sizeof(struct presence_region))

/* The descriptor kept under this name if it has the size, else a new one. *ret_new: it is. */
static int open_kept(const struct memory_keeper *keeper, const char *name, size_t bytes,
		     bool *ret_new)
{
	CLEANUP_FD int fd = keeper->kept(name, keeper->ctx);
	struct stat st;
	int ret;

	*ret_new = false;
	if (fd >= 0 && fstat(fd, &st) == 0 && (size_t)st.st_size == bytes)
		return take_fd(&fd);
	cleanup_fd(&fd);
	fd = ipc_shm_new(name, bytes);
	if (fd < 0)
		return fd;
	ret = keeper->keep(name, fd, keeper->ctx);
	if (ret)
		return ret;
	*ret_new = true;
	return take_fd(&fd);
}

static int map_shared(int fd, size_t bytes, int prot, void **ret)
{
	void *mem = mmap(NULL, bytes, prot, MAP_SHARED, fd, 0);

	if (mem == MAP_FAILED)
		return -errno;
	*ret = mem;
	return 0;
}

static int open_slot(struct memory_slot *s, uint32_t i, const struct memory_keeper *keeper)
{
	const size_t ring_size = ring_bytes(MEMORY_RING_DATA_BYTES);
	char name[32];
	void *page = NULL;
	bool fresh;
	int ret;

	snprintf(name, sizeof(name), "metrics/%u", i);
	s->page_fd = open_kept(keeper, name, sizeof(struct metric_page), &fresh);
	if (s->page_fd < 0)
		return s->page_fd;
	ret = map_shared(s->page_fd, sizeof(struct metric_page), PROT_READ | PROT_WRITE, &page);
	if (ret)
		return ret;
	s->page = page;
	snprintf(name, sizeof(name), "log/%u", i);
	s->ring_fd = open_kept(keeper, name, ring_size, &fresh);
	if (s->ring_fd < 0)
		return s->ring_fd;
	ret = map_shared(s->ring_fd, ring_size, PROT_READ | PROT_WRITE, &s->ring_mem);
	if (ret)
		return ret;
	if (!fresh && ring_attach(s->ring_mem, ring_size, &s->ring) == 0)
		return 0;
	s->ring = ring_init(s->ring_mem, MEMORY_RING_DATA_BYTES);
	return s->ring ? 0 : -ENOMEM;
}

static int fail(int code, struct errmsg *err)
{
	return errmsg_set(err, code, "cannot make the shared memory: %s", strerror(-code));
}

int memory_open(struct memory *m, uint32_t slots, const struct memory_keeper *keeper,
		struct errmsg *err)
{
	m->slots = slots;
	for (uint32_t i = 0; i <= slots; i++) {
		int ret = open_slot(&m->slot[i], i, keeper);

		if (ret)
			return fail(ret, err);
		m->pages[i] = m->slot[i].page;
	}
	return 0;
}

static int duplicate(int fd)
{
	int own = fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return own < 0 && fd >= 0 ? -errno : own;
}

int memory_open_shared(struct memory *m, struct dataplane *dp, uint32_t max_meters,
		       const struct memory_keeper *keeper, struct errmsg *err)
{
	void *presence = NULL;
	bool fresh;
	int ret;

	if (dp) {
		/* our own: the dataplane may be closed or detached while workers come and go */
		m->meters_fd = duplicate(meter_map_fd(dp, &m->meters_bytes));
		m->presence_fd = duplicate(meter_map_presence_fd(dp, &m->presence_bytes));
	} else {
		m->meters_bytes = (size_t)max_meters * sizeof(uint64_t);
		m->presence_bytes = PRESENCE_BYTES;
		m->meters_fd = open_kept(keeper, "meters", m->meters_bytes, &fresh);
		m->presence_fd = open_kept(keeper, "presence", m->presence_bytes, &fresh);
	}
	if (m->meters_fd < 0 || m->presence_fd < 0)
		return fail(m->meters_fd < 0 ? m->meters_fd : m->presence_fd, err);
	if (m->presence_bytes < PRESENCE_BYTES)
		return fail(-EPROTO, err);
	ret = map_shared(m->presence_fd, m->presence_bytes, PROT_READ, &presence);
	if (ret)
		return fail(ret, err);
	m->presence = presence;
	return 0;
}

void memory_of_worker(const struct memory *m, uint32_t slot, int fds[4], struct worker_memory *ret)
{
	fds[0] = m->meters_fd;
	fds[1] = m->presence_fd;
	fds[2] = m->slot[slot].page_fd;
	fds[3] = m->slot[slot].ring_fd;
	*ret = (struct worker_memory) {
		.meters_bytes = m->meters_bytes,
		.presence_bytes = m->presence_bytes,
		.metric_bytes = sizeof(struct metric_page),
		.ring_bytes = ring_bytes(MEMORY_RING_DATA_BYTES),
	};
}
