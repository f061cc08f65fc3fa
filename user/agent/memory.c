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

#define PINNED_BYTES (PRESENCE_WORKERS_MAX * sizeof(struct presence_region))
_Static_assert(PRESENCE_WORKERS_MAX >= MESSAGE_WORKERS_MAX, "a region a slot");

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

static bool is_ours(const struct memory *m, uint32_t slot)
{
	return slot == MEMORY_OWN || (slot >= m->base && slot < m->base + m->slots);
}

/* Of another generation, or of more workers than there are now. */
static bool was_used(uint32_t slot, const struct memory_keeper *keeper)
{
	char name[32];
	CLEANUP_FD int fd = -1;

	snprintf(name, sizeof(name), "metrics/%u", slot);
	fd = keeper->kept(name, keeper->ctx);
	return fd >= 0;
}

int memory_open(struct memory *m, uint32_t base, uint32_t slots, const struct memory_keeper *keeper,
		struct errmsg *err)
{
	void *counters = NULL;
	bool fresh;
	int fd = open_kept(keeper, "counters", sizeof(struct counters), &fresh), code = fd;

	if (fd >= 0) {
		code = map_shared(fd, sizeof(struct counters), PROT_READ | PROT_WRITE, &counters);
		close(fd);
	}
	if (code < 0)
		return fail(code, err);
	m->counters = counters;
	m->base = base;
	m->slots = slots;
	for (uint32_t i = 0; i < MEMORY_PAGES_MAX; i++) {
		int ret = is_ours(m, i) || was_used(i, keeper) ? open_slot(&m->slot[i], i, keeper)
							       : 0;

		if (ret)
			return fail(ret, err);
		if (m->slot[i].page)
			m->pages[m->n_pages++] = m->slot[i].page;
	}
	return 0;
}

static int duplicate(int fd)
{
	int own = fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return own < 0 && fd >= 0 ? -errno : own;
}

/* The pinned regions, to save to and to begin with. The mapping holds the map. */
static int open_pinned(struct memory *m, struct dataplane *dp)
{
	void *regions = NULL;
	size_t bytes = 0;
	int fd = meter_map_presence_fd(dp, &bytes);
	int ret = fd < 0 ? fd : 0;

	if (!ret && bytes < PINNED_BYTES)
		ret = -EPROTO;
	if (!ret)
		ret = map_shared(fd, PINNED_BYTES, PROT_READ | PROT_WRITE, &regions);
	m->pinned = regions;
	return ret;
}

/* A worker's own region: what it had, or what the agent before this one saved. */
static int open_presence(struct memory *m, uint32_t slot, const struct memory_keeper *keeper)
{
	struct memory_slot *s = &m->slot[slot];
	void *region = NULL;
	char name[32];
	bool fresh;
	int ret;

	snprintf(name, sizeof(name), "presence/%u", slot);
	s->presence_fd = open_kept(keeper, name, sizeof(*s->presence), &fresh);
	if (s->presence_fd < 0)
		return s->presence_fd;
	ret = map_shared(s->presence_fd, sizeof(*s->presence), PROT_READ | PROT_WRITE, &region);
	if (ret)
		return ret;
	s->presence = region;
	if (fresh && m->pinned && region && is_ours(m, slot))
		memcpy(s->presence, &m->pinned[slot - m->base], sizeof(*s->presence));
	m->presence[m->n_live++] = s->presence;
	return 0;
}

int memory_open_shared(struct memory *m, struct dataplane *dp, uint32_t max_meters,
		       const struct memory_keeper *keeper, struct errmsg *err)
{
	bool fresh;
	int ret = 0;

	if (dp) {
		/* our own: the dataplane may be closed or detached while workers come and go */
		m->meters_fd = duplicate(meter_map_fd(dp, &m->meters_bytes));
		ret = open_pinned(m, dp);
	} else {
		m->meters_bytes = (size_t)max_meters * sizeof(uint64_t);
		m->meters_fd = open_kept(keeper, "meters", m->meters_bytes, &fresh);
	}
	if (m->meters_fd < 0)
		ret = m->meters_fd;
	for (uint32_t i = 0; i < MESSAGE_SLOTS_MAX && !ret; i++) {
		uint32_t slot = (m->base + i) % MESSAGE_SLOTS_MAX; /* ours first */

		ret = m->slot[slot].page ? open_presence(m, slot, keeper) : 0;
	}
	m->n_regions = m->n_live;
	for (uint32_t i = m->slots; m->pinned && i < PRESENCE_WORKERS_MAX; i++)
		m->presence[m->n_regions++] = &m->pinned[i];
	return ret ? fail(ret, err) : 0;
}

/* The worker writes meanwhile: an entry that changes under our eyes is taken the next time. */
static void save_region(struct presence_region *to, const struct presence_region *from)
{
	const struct presence_entry *e = &from->entry[0][0];
	struct presence_entry *saved = &to->entry[0][0];

	to->evicted_s = __atomic_load_n(&from->evicted_s, __ATOMIC_RELAXED);
	for (size_t i = 0; i < (size_t)PRESENCE_SETS * PRESENCE_WAYS; i++) {
		const uint32_t seen_s = __atomic_load_n(&e[i].seen_s, __ATOMIC_ACQUIRE);
		const struct presence_entry copy = e[i];

		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (seen_s && copy.seen_s == seen_s &&
		    __atomic_load_n(&e[i].seen_s, __ATOMIC_RELAXED) == seen_s &&
		    memcmp(&copy, &saved[i], sizeof(copy)) != 0)
			saved[i] = copy;
	}
}

void memory_save_presence(const struct memory *m)
{
	for (uint32_t i = 0; m->pinned && i < m->slots; i++) {
		if (m->slot[m->base + i].presence)
			save_region(&m->pinned[i], m->slot[m->base + i].presence);
	}
}

void memory_of_worker(const struct memory *m, uint32_t slot, int fds[4], struct worker_memory *ret)
{
	fds[0] = m->meters_fd;
	fds[1] = m->slot[slot].presence_fd;
	fds[2] = m->slot[slot].page_fd;
	fds[3] = m->slot[slot].ring_fd;
	*ret = (struct worker_memory) {
		.meters_bytes = m->meters_bytes,
		.presence_bytes = sizeof(struct presence_region),
		.metric_bytes = sizeof(struct metric_page),
		.ring_bytes = ring_bytes(MEMORY_RING_DATA_BYTES),
	};
}
