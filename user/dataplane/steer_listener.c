/* SPDX-License-Identifier: BSD-2-Clause */
#include "steer_listener.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "dataplane_state.h"

_Static_assert(STEER_NAME_BYTES == CONF_NAME_MAX + 1, "names of listeners");

int steer_listener_read(struct dataplane *dp, struct steer_listeners *ret)
{
	const int fd = pinned_map_fd(dp, "steer_listeners");

	for (uint32_t i = 0; i < STEER_LISTENERS_MAX; i++) {
		if (bpf_map_lookup_elem(fd, &i, &ret->record[i]))
			return -errno;
		ret->record[i].name[STEER_NAME_BYTES - 1] = '\0';
	}
	return 0;
}

int steer_listener_find(const struct steer_listeners *s, const char *name)
{
	for (int i = 0; i < STEER_LISTENERS_MAX; i++)
		if (strcmp(s->record[i].name, name) == 0)
			return i;
	return -1;
}

static int put_socket(struct dataplane *dp, uint32_t key, int fd)
{
	const uint64_t value = (uint64_t)fd; /* the kernel takes the socket from it */

	if (bpf_map_update_elem(pinned_map_fd(dp, "steer_sockets"), &key, &value, BPF_ANY))
		return -errno;
	return 0;
}

/* Those from slot `from` on: of workers that there are no more. */
static void drop_sockets(struct dataplane *dp, uint32_t index, uint32_t from)
{
	const int fd = pinned_map_fd(dp, "steer_sockets");

	for (uint32_t slot = from; slot < STEER_SLOTS_MAX; slot++) {
		const uint32_t key = index * STEER_SLOTS_MAX + slot;

		bpf_map_delete_elem(fd, &key); /* there is none, mostly */
	}
}

static int write_record(struct dataplane *dp, struct steer_listeners *s, uint32_t index,
			const struct steer_listener *l)
{
	if (bpf_map_update_elem(pinned_map_fd(dp, "steer_listeners"), &index, l, BPF_ANY))
		return -errno;
	s->record[index] = *l;
	return 0;
}

/* Sockets first, then the record that says how many there are. */
int steer_listener_put(struct dataplane *dp, struct steer_listeners *s,
		       const struct conf_listener *l, const struct steer_sockets *sockets,
		       uint16_t *ret)
{
	int index = steer_listener_find(s, l->name), err = 0;
	struct steer_listener record = { .slots = sockets->slots };

	if (index < 0)
		index = steer_listener_find(s, "");
	if (index < 0 || sockets->slots > STEER_SLOTS_MAX)
		return -ENOSPC;
	if (!s->record[index].name[0]) /* what it counts begins with its name */
		pinned_map_zero(pinned_map_fd(dp, "stats_steer"), &index,
				sizeof(struct stats_steer));
	for (uint32_t slot = 0; slot < sockets->slots && !err; slot++) {
		CLEANUP_FD int fd = sockets->open(l, slot, sockets->ctx);

		err = fd < 0 ? fd : put_socket(dp, (uint32_t)index * STEER_SLOTS_MAX + slot, fd);
	}
	if (err)
		return err;
	memcpy(record.seed, s->record[index].seed, sizeof(record.seed));
	if (!record.seed[0] &&
	    getrandom(record.seed, sizeof(record.seed), 0) != sizeof(record.seed))
		return -EIO;
	snprintf(record.name, sizeof(record.name), "%s", l->name);
	err = write_record(dp, s, (uint32_t)index, &record);
	drop_sockets(dp, (uint32_t)index, record.slots);
	*ret = (uint16_t)index;
	return err;
}

void steer_listener_free_others(struct dataplane *dp, struct steer_listeners *s,
				const struct conf *conf)
{
	static const struct steer_listener none;

	for (uint32_t i = 0; i < STEER_LISTENERS_MAX; i++) {
		bool used = !s->record[i].name[0];

		for (size_t k = 0; k < conf->n_listeners && !used; k++)
			used = conf->listeners[k].n_steer &&
			       strcmp(conf->listeners[k].name, s->record[i].name) == 0;
		if (used)
			continue;
		drop_sockets(dp, i, 0);
		write_record(dp, s, i, &none);
	}
}
