/* SPDX-License-Identifier: BSD-2-Clause */
#include "ids.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define FNV_OFFSET 2166136261U
#define FNV_PRIME  16777619U

/* FNV-1a: names are the operator's, so nobody has a reason to make them collide. */
static uint32_t hash(const char *name)
{
	uint32_t h = FNV_OFFSET;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * FNV_PRIME;
	return h;
}

/* Open addressing over ids that are taken: 0 is an empty place, and never an id. */
static bool take_id(uint32_t *taken, size_t mask, uint32_t id)
{
	for (size_t i = id & mask;; i = (i + 1) & mask) {
		if (taken[i] == id)
			return false;
		if (!taken[i]) {
			taken[i] = id;
			return true;
		}
	}
}

int ids_consumers(const struct conf *conf, uint32_t *ret)
{
	CLEANUP_FREE uint32_t *taken = NULL;
	size_t places = 2;

	while (places < 2 * conf->n_consumers)
		places *= 2;
	taken = calloc(places, sizeof(*taken));
	if (!taken)
		return -ENOMEM;
	for (size_t i = 0; i < conf->n_consumers; i++) {
		uint32_t id = hash(conf->consumers[i].name);

		while (!id || !take_id(taken, places - 1, id))
			id++;
		ret[i] = id;
	}
	return 0;
}

uint32_t ids_table_get(struct ids_table *t, const char *name)
{
	for (uint32_t i = 0; i < t->n; i++) {
		if (strcmp(t->name[i], name) == 0)
			return i;
	}
	if (t->n == METRIC_STAT_OTHER)
		return METRIC_STAT_OTHER;
	t->name[t->n] = strdup(name);
	return t->name[t->n] ? t->n++ : METRIC_STAT_OTHER;
}

void ids_table_clear(struct ids_table *t)
{
	while (t->n)
		free(t->name[--t->n]);
}

static int encode_one(const struct ids_table *t, char kind, struct buf *out)
{
	for (uint32_t i = 0; i < t->n; i++) {
		if (buf_printf(out, "%c%s\n", kind, t->name[i]))
			return -ENOSPC;
	}
	return 0;
}

int ids_table_encode(const struct ids_table *routes, const struct ids_table *clusters,
		     struct buf *out)
{
	int ret = encode_one(routes, 'r', out);

	return ret ? ret : encode_one(clusters, 'c', out);
}

int ids_table_decode(const char *text, size_t len, struct ids_table *routes,
		     struct ids_table *clusters)
{
	const char *end = text + len;

	while (text < end) {
		const char *nl = memchr(text, '\n', (size_t)(end - text));
		char name[CONF_NAME_MAX + 1];
		size_t n = nl ? (size_t)(nl - text) : 0;

		if (n < 2 || n - 1 > CONF_NAME_MAX || (text[0] != 'r' && text[0] != 'c'))
			return -EPROTO;
		memcpy(name, text + 1, n - 1);
		name[n - 1] = '\0';
		ids_table_get(text[0] == 'r' ? routes : clusters, name);
		text = nl + 1;
	}
	return 0;
}
