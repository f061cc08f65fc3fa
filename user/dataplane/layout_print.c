/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the BTF of the object, which is always there. That of a pinned map the kernel has as well, but
 * shows it to CAP_SYS_ADMIN alone, which the agent has not: so what is made here is kept in a map.
 */
#include "layout_print.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stdbool.h>
#include <string.h>

/* FNV-1a. Nobody gains from two members of one struct with the same hash: it is not keyed. */
#define FNV_BASIS 0xcbf29ce484222325ULL
#define FNV_PRIME 0x100000001b3ULL

/* Structs within structs, and elements of an array of structs that are told apart. */
#define DEPTH_MAX    8
#define ELEMENTS_MAX 8

static uint64_t mix(uint64_t hash, const void *data, size_t bytes)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < bytes; i++)
		hash = (hash ^ p[i]) * FNV_PRIME;
	return hash;
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
	return mix(hash, text, strlen(text) + 1);
}

static uint64_t mix_number(uint64_t hash, uint32_t number)
{
	return mix(hash, &number, sizeof(number));
}

/* What a walk through a type makes. */
struct print {
	const struct btf *btf;
	uint64_t hash;
	struct layout_map *fields; /* NULL: only the hash is wanted */
	bool is_partial; /* more members than have room, or such as cannot be copied alone */
};

static const struct btf_type *resolve(const struct btf *btf, uint32_t id)
{
	const struct btf_type *t = btf__type_by_id(btf, id);

	while (t && (btf_is_mod(t) || btf_is_typedef(t)))
		t = btf__type_by_id(btf, t->type);
	return t;
}

static void leaf(struct print *p, uint64_t name, uint32_t offset, uint32_t bytes)
{
	struct layout_map *f = p->fields;

	p->hash = mix(p->hash, &name, sizeof(name));
	p->hash = mix_number(mix_number(p->hash, offset), bytes);
	if (!f)
		return;
	if (f->n_fields == LAYOUT_FIELDS_MAX || !bytes)
		p->is_partial = true;
	else
		f->field[f->n_fields++] = (struct layout_field) {
			.name = (uint32_t)(name ^ name >> 32), .offset = offset, .bytes = bytes
		};
}

static void walk(struct print *p, uint32_t id, uint64_t name, uint32_t offset, int depth);

/* What fills a hole has no meaning, and changes its size with what is added. */
static bool is_padding(const char *name)
{
	return strncmp(name, "pad", 3) == 0;
}

static void walk_members(struct print *p, const struct btf_type *t, uint64_t name, uint32_t offset,
			 int depth)
{
	const struct btf_member *m = btf_members(t);

	for (uint32_t i = 0; i < btf_vlen(t); i++) {
		const uint32_t bits = btf_member_bit_offset(t, i);
		const char *text = btf__name_by_offset(p->btf, m[i].name_off);
		const uint64_t inner = mix_text(name, text);

		if (is_padding(text))
			continue;
		/* part of a word: moved only with the whole struct */
		p->is_partial = p->is_partial || btf_member_bitfield_size(t, i);
		p->hash = mix_number(p->hash, btf_member_bitfield_size(t, i));
		p->hash = mix_number(p->hash, bits % 8);
		walk(p, m[i].type, inner, offset + bits / 8, depth + 1);
	}
}

/* The members of an element, in a hash. */
static uint64_t element_hash(const struct btf *btf, uint32_t id, uint64_t name, int depth)
{
	struct print p = { .btf = btf, .hash = FNV_BASIS };

	walk(&p, id, name, 0, depth + 1);
	return p.hash;
}

static void walk_array(struct print *p, const struct btf_type *t, uint64_t name, uint32_t offset,
		       int depth)
{
	const struct btf_array *a = btf_array(t);
	const struct btf_type *element = resolve(p->btf, a->type);
	const int64_t bytes = btf__resolve_size(p->btf, a->type);

	if (bytes <= 0 || !element)
		return leaf(p, name, offset, 0);
	if (!btf_is_composite(element))
		return leaf(p, mix_number(name, (uint32_t)bytes), offset,
			    (uint32_t)bytes * a->nelems);
	/* Many of them are one member, which is copied if they are the same. */
	if (a->nelems > ELEMENTS_MAX)
		return leaf(p, element_hash(p->btf, a->type, name, depth), offset,
			    (uint32_t)bytes * a->nelems);
	for (uint32_t i = 0; i < a->nelems; i++)
		walk(p, a->type, mix_number(name, i), offset + (uint32_t)bytes * i, depth + 1);
}

static void walk(struct print *p, uint32_t id, uint64_t name, uint32_t offset, int depth)
{
	const struct btf_type *t = resolve(p->btf, id);
	const int64_t bytes = btf__resolve_size(p->btf, id);

	if (!t || bytes < 0 || depth > DEPTH_MAX)
		return leaf(p, name, offset, 0);
	if (btf_is_composite(t))
		return walk_members(p, t, name, offset, depth);
	if (btf_is_array(t))
		return walk_array(p, t, name, offset, depth);
	leaf(p, name, offset, (uint32_t)bytes);
}

void layout_print(const struct btf *btf, const struct bpf_map *m, struct layout_map *ret)
{
	struct print key = { .btf = btf, .hash = FNV_BASIS };
	struct print value = { .btf = btf, .hash = FNV_BASIS, .fields = ret };

	memset(ret, 0, sizeof(*ret));
	if (btf && bpf_map__btf_key_type_id(m)) {
		walk(&key, bpf_map__btf_key_type_id(m), FNV_BASIS, 0, 0);
		ret->key = mix_number(key.hash, bpf_map__key_size(m));
	}
	if (btf && bpf_map__btf_value_type_id(m)) {
		walk(&value, bpf_map__btf_value_type_id(m), FNV_BASIS, 0, 0);
		ret->value = mix_number(value.hash, bpf_map__value_size(m));
	}
	if (value.is_partial) {
		ret->n_fields = 0;
		memset(ret->field, 0, sizeof(ret->field));
	}
}
