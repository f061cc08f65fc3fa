/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "dataplane_state.h"
#include "response_map.h"

struct entry {
	struct response_key key;
	struct response_service service;
};

struct entries {
	struct entry *e;
	size_t n;
};

static void clear_entries(struct entries *list)
{
	free(list->e);
}

static struct entry *find(const struct entries *list, const struct response_key *key)
{
	for (size_t i = 0; i < list->n; i++)
		if (memcmp(&list->e[i].key, key, sizeof(*key)) == 0)
			return &list->e[i];
	return NULL;
}

/* Fragments of an address meet the least of its services; a trial only if all are. */
static void add_fragments(struct entries *list, const struct entry *of)
{
	struct response_key key = { .address = of->key.address };
	struct entry *e = find(list, &key);

	if (!e) {
		e = &list->e[list->n++];
		*e = (struct entry) { key, of->service };
		return;
	}
	if (of->service.factor < e->service.factor)
		e->service.factor = of->service.factor;
	e->service.flags &= of->service.flags;
}

static int make_entries(const struct conf *conf, struct entries *ret)
{
	ret->e = calloc(2 * conf->n_responses + 1, sizeof(*ret->e));
	if (!ret->e)
		return -ENOMEM;
	for (size_t i = 0; i < conf->n_responses; i++) {
		const struct conf_response *r = &conf->responses[i];
		const struct entry e = {
			.key = { .address = r->address, .port = htons(r->port) },
			.service = { .factor = r->factor,
				     .flags = r->dry_run ? RESPONSE_DRY_RUN : 0 },
		};

		ret->e[ret->n++] = e;
		add_fragments(ret, &e);
	}
	return 0;
}

static int remove_others(int fd, const struct entries *wanted)
{
	CLEANUP_FREE struct response_key *keys = NULL;
	CLEANUP_FREE struct response_service *services = NULL;
	size_t n = 0;
	int err = pinned_map_read(fd, (void **)&keys, (void **)&services, &n);

	for (size_t i = 0; !err && i < n; i++)
		if (!find(wanted, &keys[i]) && bpf_map_delete_elem(fd, &keys[i]))
			err = -errno;
	return err;
}

static int put_all(int fd, const struct entries *wanted)
{
	for (size_t i = 0; i < wanted->n; i++)
		if (bpf_map_update_elem(fd, &wanted->e[i].key, &wanted->e[i].service, BPF_ANY))
			return -errno;
	return 0;
}

/* The largest power of two of sets that the table has room for. */
static uint32_t set_bits(uint32_t words)
{
	return words < RESPONSE_WAYS ? 0 : 31 - (uint32_t)__builtin_clz(words / RESPONSE_WAYS);
}

static int set_up(struct response_state *state, uint32_t words)
{
	static const struct response_keys none;

	if (memcmp(&state->key, &none, sizeof(none)) == 0 &&
	    getrandom(&state->key, sizeof(state->key), 0) != sizeof(state->key))
		return -EIO;
	__atomic_store_n(&state->set_bits, set_bits(words), __ATOMIC_RELEASE);
	return 0;
}

int response_map_apply(struct dataplane *dp, const struct conf *conf, struct errmsg *err)
{
	CLEANUP(clear_entries) struct entries wanted = { 0 };
	const struct pinned_map *credit = pinned_map_find(dp, "response_credit");
	struct response_state *state = pinned_map_mem(dp, "response_state");
	int fd = pinned_map_fd(dp, "response_service");
	int e = make_entries(conf, &wanted);

	if (!e && (!state || !credit || fd < 0))
		e = -ENOENT;
	if (!e)
		e = set_up(state, credit->shape.max_entries);
	if (!e)
		e = put_all(fd, &wanted);
	if (!e)
		e = remove_others(fd, &wanted);
	if (e)
		return errmsg_set(err, e, "responses: %s", strerror(-e));
	__atomic_store_n(&state->enabled, wanted.n > 0, __ATOMIC_RELEASE);
	return 0;
}

int response_map_stats(struct dataplane *dp, struct stats_response *ret)
{
	const uint32_t zero = 0;
	int fd = pinned_map_fd(dp, "stats_response");

	return fd < 0 ? fd : pinned_map_sum(fd, &zero, sizeof(*ret), (uint64_t *)ret);
}
