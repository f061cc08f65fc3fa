/* SPDX-License-Identifier: BSD-2-Clause */
#include "layout_convert.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is_within(const struct layout_field *f, uint32_t value_bytes)
{
	return f->offset <= value_bytes && f->bytes <= value_bytes - f->offset;
}

static const struct layout_field *find(const struct layout_map *l, uint32_t name)
{
	for (uint32_t i = 0; i < l->n_fields; i++) {
		if (l->field[i].name == name)
			return &l->field[i];
	}
	return NULL;
}

/* was is from a map, where others may have written. */
static bool add_moves(struct layout_moves *moves, const struct layout_map *was,
		      const struct layout_map *want, uint32_t want_bytes)
{
	for (uint32_t i = 0; i < want->n_fields; i++) {
		const struct layout_field *to = &want->field[i], *from = find(was, to->name);

		if (!from)
			continue;
		if (from->bytes != to->bytes || !is_within(from, moves->old_bytes) ||
		    !is_within(to, want_bytes))
			return false;
		moves->move[moves->n++] =
			(struct layout_move) { from->offset, to->offset, to->bytes };
	}
	return moves->n > 0;
}

struct layout_moves *layout_moves_new(const struct layout_map *was, uint32_t old_bytes,
				      const struct layout_map *want, uint32_t want_bytes)
{
	struct layout_moves *moves = calloc(1, sizeof(*moves));

	if (!moves)
		return NULL;
	moves->old_bytes = old_bytes;
	if (was->n_fields <= LAYOUT_FIELDS_MAX && add_moves(moves, was, want, want_bytes))
		return moves;
	free(moves);
	errno = ENOTSUP;
	return NULL;
}

void layout_convert(const struct pinned_map *m, const void *from, void *ret)
{
	const struct layout_moves *moves = m->moves;

	if (!moves) {
		memcpy(ret, from, m->shape.value_bytes);
		return;
	}
	memset(ret, 0, m->shape.value_bytes);
	for (uint32_t i = 0; i < moves->n; i++)
		memcpy((char *)ret + moves->move[i].to, (const char *)from + moves->move[i].from,
		       moves->move[i].bytes);
}

void layout_convert_cpus(const struct pinned_map *m, const void *from, void *ret, int cpus)
{
	const size_t old_stride = pinned_map_stride(layout_old_bytes(m)),
		     stride = pinned_map_stride(m->shape.value_bytes);

	for (int cpu = 0; cpu < cpus; cpu++)
		layout_convert(m, (const char *)from + (size_t)cpu * old_stride,
			       (char *)ret + (size_t)cpu * stride);
}

uint32_t layout_old_bytes(const struct pinned_map *m)
{
	return m->moves ? m->moves->old_bytes : m->shape.value_bytes;
}
