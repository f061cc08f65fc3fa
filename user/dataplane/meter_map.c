/* SPDX-License-Identifier: BSD-2-Clause */
#include <bpf/bpf.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "dataplane_state.h"
#include "meter_map.h"

/* Which words belong to somebody: read from meter_slots once, then kept. */
struct meter_map {
	uint32_t n;    /* words */
	uint32_t next; /* where to look for a free one first */
	uint8_t *used; /* a byte per word */
	char **names;  /* of words whose name is longer than the map holds, once asked for */
};

/* Longer names are told apart by their hash; a "/" in a name of hex digits is impossible there. */
static int slot_key(const char *name, struct meter_slot_key *ret)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned int bytes = 0, i;

	memset(ret, 0, sizeof(*ret));
	if (strlen(name) < sizeof(ret->name)) {
		memcpy(ret->name, name, strlen(name));
		return 0;
	}
	if (!EVP_Digest(name, strlen(name), digest, &bytes, EVP_sha256(), NULL))
		return -EIO;
	/* 31 of the 32 bytes: the last character is a NUL, for bpftool. */
	for (i = 0; i < 31; i++)
		snprintf(ret->name + (size_t)i * 2, 3, "%02x", digest[i]);
	return 0;
}

static int load_used(struct dataplane *dp, struct meter_map *m)
{
	CLEANUP_FREE void *keys = NULL;
	CLEANUP_FREE struct meter_slot *slots = NULL;
	size_t n, i;
	int err = pinned_map_read(pinned_map_fd(dp, "meter_slots"), &keys, (void **)&slots, &n);

	if (err)
		return err;
	m->used[METER_SLOT_NONE] = 1;
	for (i = 0; i < n; i++) {
		if (slots[i].slot < m->n)
			m->used[slots[i].slot] = 1;
	}
	return 0;
}

static void meters_free(struct meter_map *m)
{
	uint32_t i;

	for (i = 0; m->names && i < m->n; i++)
		free(m->names[i]);
	free(m->names);
	free(m->used);
	free(m);
}

static int open_meters(struct dataplane *dp, struct meter_map **ret)
{
	const struct pinned_map *words = pinned_map_find(dp, "meters");
	struct meter_map *m;
	int err;

	if (dp->meter) {
		*ret = dp->meter;
		return 0;
	}
	if (!words || pinned_map_fd(dp, "meter_slots") < 0)
		return -ENOENT;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->n = words->shape.max_entries;
	m->next = METER_SLOT_NONE + 1;
	m->used = calloc(m->n, 1);
	m->names = calloc(m->n, sizeof(*m->names));
	err = m->used && m->names ? load_used(dp, m) : -ENOMEM;
	if (err) {
		meters_free(m);
		return err;
	}
	*ret = dp->meter = m;
	return 0;
}

void meter_map_close(struct dataplane *dp)
{
	if (dp->meter)
		meters_free(dp->meter);
	dp->meter = NULL;
}

static int shared_fd(struct dataplane *dp, const char *name, size_t *ret_bytes)
{
	const struct pinned_map *m = pinned_map_find(dp, name);

	if (!m)
		return -ENOENT;
	*ret_bytes = pinned_map_mem_bytes(&m->shape);
	return m->fd;
}

int meter_map_fd(struct dataplane *dp, size_t *ret_bytes)
{
	return shared_fd(dp, "meters", ret_bytes);
}

int meter_map_presence_fd(struct dataplane *dp, size_t *ret_bytes)
{
	return shared_fd(dp, "presence", ret_bytes);
}

static uint32_t find_free(struct meter_map *m)
{
	uint32_t i, slot = m->next;

	for (i = 0; i < m->n; i++, slot = slot + 1 < m->n ? slot + 1 : 1) {
		if (!m->used[slot]) {
			m->next = slot;
			return slot;
		}
	}
	return METER_SLOT_NONE;
}

/* sweep asks about whole names, of which the map has only the hash. */
static int remember(struct meter_map *m, uint32_t slot, const char *name)
{
	if (strlen(name) < sizeof(((struct meter_slot_key *)0)->name) || m->names[slot])
		return (int)slot;
	m->names[slot] = strdup(name);
	return m->names[slot] ? (int)slot : -ENOMEM;
}

static int give_slot(struct dataplane *dp, struct meter_map *m, const struct meter_slot_key *key)
{
	uint64_t *words = pinned_map_mem(dp, "meters");
	struct meter_slot s = { .slot = find_free(m) };

	if (!words)
		return -ENOMEM;
	if (s.slot == METER_SLOT_NONE) {
		dp->meters_refused++;
		return -ENOSPC;
	}
	__atomic_store_n(&words[s.slot], 0, __ATOMIC_RELEASE); /* never used: a full bucket */
	if (bpf_map_update_elem(pinned_map_fd(dp, "meter_slots"), key, &s, BPF_ANY)) {
		dp->meters_refused += errno == E2BIG;
		return errno == E2BIG ? -ENOSPC : -errno;
	}
	m->used[s.slot] = 1;
	return (int)s.slot;
}

int meter_map_slot(struct dataplane *dp, const char *name)
{
	struct meter_slot s = { 0 };
	struct meter_slot_key key;
	struct meter_map *m;
	int err = open_meters(dp, &m), slot;

	if (!err)
		err = slot_key(name, &key);
	if (err)
		return err;
	if (bpf_map_lookup_elem(pinned_map_fd(dp, "meter_slots"), &key, &s) == 0 && s.slot &&
	    s.slot < m->n)
		slot = (int)s.slot;
	else
		slot = give_slot(dp, m, &key);
	return slot < 0 ? slot : remember(m, (uint32_t)slot, name);
}

static void free_slot(struct meter_map *m, uint32_t slot)
{
	if (slot == METER_SLOT_NONE || slot >= m->n)
		return;
	m->used[slot] = 0;
	free(m->names[slot]);
	m->names[slot] = NULL;
}

int meter_map_sweep(struct dataplane *dp, bool (*keep)(const char *name, void *ctx), void *ctx)
{
	CLEANUP_FREE struct meter_slot_key *keys = NULL;
	CLEANUP_FREE struct meter_slot *slots = NULL;
	int fd = pinned_map_fd(dp, "meter_slots"), freed = 0, err;
	struct meter_map *m;
	size_t n = 0, i;

	err = open_meters(dp, &m);
	if (!err)
		err = pinned_map_read(fd, (void **)&keys, (void **)&slots, &n);
	for (i = 0; !err && i < n; i++) {
		const char *whole = slots[i].slot < m->n ? m->names[slots[i].slot] : NULL;

		keys[i].name[sizeof(keys[i].name) - 1] = 0;
		if (keep(whole ? whole : keys[i].name, ctx))
			continue;
		if (bpf_map_delete_elem(fd, &keys[i]))
			return -errno;
		free_slot(m, slots[i].slot);
		freed++;
	}
	return err ? err : freed;
}

uint32_t meter_map_used(const struct dataplane *dp)
{
	uint32_t n = 0;

	for (uint32_t i = METER_SLOT_NONE + 1; dp->meter && dp->meter->used && i < dp->meter->n;
	     i++)
		n += dp->meter->used[i] != 0;
	return n;
}

uint64_t meter_map_refused(const struct dataplane *dp)
{
	return dp->meters_refused;
}
