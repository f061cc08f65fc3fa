/* SPDX-License-Identifier: BSD-2-Clause */
#include <bpf/btf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "dataplane_state.h"
#include "layout_print.h"
#include "layout_table.h"
#include "map_size.h"
#include "program_object.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include "agent_maps.skel.h"
#include "limit_concurrent.skel.h"
#include "quic_key.skel.h"
#include "sk_lookup.skel.h"
#include "tc_egress.skel.h"
#include "tc_explain.skel.h"
#include "tc_ingress.skel.h"
#include "xdp_explain.skel.h"
#include "xdp_ingress.skel.h"
#include "xdp_ingress_fixed.skel.h"
#pragma GCC diagnostic pop

static const struct {
	const char *name;
	const void *(*elf)(size_t *bytes);
} objects[] = {
	[PROGRAM_AGENT_MAPS] = { "agent_maps", agent_maps__elf_bytes },
	[PROGRAM_XDP] = { "xdp_ingress", xdp_ingress__elf_bytes },
	[PROGRAM_TC] = { "tc_ingress", tc_ingress__elf_bytes },
	[PROGRAM_EGRESS] = { "tc_egress", tc_egress__elf_bytes },
	[PROGRAM_SK_LOOKUP] = { "sk_lookup", sk_lookup__elf_bytes },
	[PROGRAM_CONCURRENT] = { "limit_concurrent", limit_concurrent__elf_bytes },
	[PROGRAM_XDP_FIXED] = { "xdp_ingress", xdp_ingress_fixed__elf_bytes },
	[PROGRAM_XDP_EXPLAIN] = { "xdp_explain", xdp_explain__elf_bytes },
	[PROGRAM_TC_EXPLAIN] = { "tc_explain", tc_explain__elf_bytes },
	[PROGRAM_QUIC_KEY] = { "quic_key", quic_key__elf_bytes },
};

struct bpf_object *program_object_open(enum program_object which)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = objects[which].name);
	size_t bytes = 0;
	const void *data = objects[which].elf(&bytes);

	return bpf_object__open_mem(data, bytes, &opts);
}

/* Where a global of .rodata is: its offset, or -ENOENT. */
static int global_offset(const struct bpf_object *obj, const char *name, uint32_t bytes)
{
	const struct btf *btf = bpf_object__btf(obj);
	int id = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC), i;
	const struct btf_type *section;
	const struct btf_var_secinfo *var;

	if (id < 0)
		return -ENOENT;
	section = btf__type_by_id(btf, (uint32_t)id);
	var = btf_var_secinfos(section);
	for (i = 0; i < btf_vlen(section); i++) {
		const struct btf_type *t = btf__type_by_id(btf, var[i].type);

		if (strcmp(btf__name_by_offset(btf, t->name_off), name) == 0)
			return var[i].size == bytes ? (int)var[i].offset : -EINVAL;
	}
	return -ENOENT;
}

int program_object_set(struct bpf_object *obj, const char *name, const void *value, uint32_t bytes)
{
	int offset = global_offset(obj, name, bytes);
	struct bpf_map *m;

	bpf_object__for_each_map(m, obj)
	{
		const char *map_name = bpf_map__name(m);
		size_t len = strlen(map_name), size;
		char *data;

		if (!bpf_map__is_internal(m) || len < 7 ||
		    strcmp(map_name + len - 7, ".rodata") != 0)
			continue;
		data = (char *)(uintptr_t)bpf_map__initial_value(m, &size);
		if (offset < 0 || !data || (size_t)offset + bytes > size)
			break;
		memcpy(data + offset, value, bytes);
		return 0;
	}
	return offset < 0 ? offset : -ENOENT;
}

/* The settings of bpf/config.h that the configuration decides. */
static int set_settings(const struct dataplane *dp, struct bpf_object *obj, struct errmsg *err)
{
	const uint32_t concurrent_sets = map_size_configured(&dp->conf, "limit_concurrent");
	const uint32_t nat_cpus = (uint32_t)get_nprocs_conf();
	const bool drop = dp->conf.unknown_l4 == CONF_L4_DROP;
	const struct {
		const char *name;
		const void *value;
		uint32_t bytes;
	} settings[] = {
		{ "ring_stride", &dp->conf.ring_size, 4 },
		{ "events_per_s", &dp->conf.events_per_s, 4 },
		{ "echo_per_s", &dp->conf.echo_per_s, 4 },
		{ "too_big_per_s", &dp->conf.too_big_per_s, 4 },
		{ "limit_concurrent_sets", &concurrent_sets, 4 },
		{ "nat_cpus", &nat_cpus, 4 },
		{ "unknown_l4_drop", &drop, sizeof(drop) },
		{ "drop_cache_factor", &dp->drop_cache_factor, sizeof(dp->drop_cache_factor) },
		{ "guard_own", &dp->guard_own, sizeof(dp->guard_own) },
		{ "quic_encryption", &dp->quic_encryption, sizeof(dp->quic_encryption) },
		{ "guard_vips", &dp->guard_vips, sizeof(dp->guard_vips) },
	};
	size_t i;

	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		int e = program_object_set(obj, settings[i].name, settings[i].value,
					   settings[i].bytes);

		if (e)
			return errmsg_set(err, e, "the program has no setting %s of %u bytes",
					  settings[i].name, settings[i].bytes);
	}
	return 0;
}

static struct map_shape shape_wanted(const struct bpf_map *m)
{
	return (struct map_shape) {
		.type = bpf_map__type(m),
		.key_bytes = bpf_map__key_size(m),
		.value_bytes = bpf_map__value_size(m),
		.max_entries = bpf_map__max_entries(m),
		.flags = bpf_map__map_flags(m),
	};
}

/* Note a map that is shared by its name; two objects must agree about it. */
static int note_map(struct dataplane *dp, const struct bpf_object *obj, const struct bpf_map *m,
		    struct errmsg *err)
{
	const char *name = bpf_map__name(m);
	struct map_shape shape = shape_wanted(m);
	struct pinned_map *known = pinned_map_find(dp, name);

	if (known && memcmp(&known->shape, &shape, sizeof(shape)) != 0)
		return errmsg_set(err, -EINVAL, "two objects disagree about map %s", name);
	if (known)
		return 0;
	if (dp->n_maps == DATAPLANE_MAPS_MAX || strlen(name) >= sizeof(known->name))
		return errmsg_set(err, -E2BIG, "map %s: too many maps or too long a name", name);
	known = &dp->maps[dp->n_maps++];
	snprintf(known->name, sizeof(known->name), "%s", name);
	known->shape = shape;
	known->fd = known->old_fd = -1;
	known->fate = MAP_NEW;
	layout_print(bpf_object__btf(obj), m, &known->print);
	known->print.version = layout_table_version(name);
	return 0;
}

/*
 * A weak kfunc that the kernel lacks makes libbpf look among the BTFs of modules. That takes
 * CAP_SYS_ADMIN, which the agent has not, and -EPERM there ends the load. It looks once an object,
 * and a search for a name that nobody has is one: whether it may look does not matter then.
 */
static void look_at_modules_before(struct bpf_object *obj)
{
	struct bpf_program *p = bpf_object__next_program(obj, NULL);

	if (p)
		bpf_program__set_attach_target(p, 0, "sluice_nobody_has_this");
}

/* Sizes and settings; pins are ours to make, so libbpf is told of none. */
int program_object_prepare(struct dataplane *dp, struct bpf_object *obj, struct errmsg *err)
{
	struct bpf_map *m;
	int e;

	if (!dp->quic_encryption)
		look_at_modules_before(obj);
	bpf_object__for_each_map(m, obj)
	{
		uint32_t size = map_size_configured(&dp->conf, bpf_map__name(m));

		if (!bpf_map__pin_path(m))
			continue;
		if (size)
			bpf_map__set_max_entries(m, size);
		bpf_map__set_pin_path(m, NULL);
		e = note_map(dp, obj, m, err);
		if (e)
			return e;
	}
	/* The maps have no program, and the one that steers connections has no setting. */
	return global_offset(obj, "ring_stride", 4) >= 0 ? set_settings(dp, obj, err) : 0;
}

/*
 * Open the XDP object for packets of one buffer. libbpf asks for several because of the section's
 * name, xdp.frags: while it opens the object, that name is given the meaning of "xdp".
 */
int program_object_open_single(struct dataplane *dp, enum program_object which,
			       struct bpf_object **ret, struct errmsg *err)
{
	const bool no = false;
	int handler = libbpf_register_prog_handler("xdp.frags", BPF_PROG_TYPE_XDP, BPF_XDP, NULL);
	int e;

	if (handler < 0)
		return errmsg_set(err, handler, "cannot open the XDP object without frags");
	*ret = program_object_open(which);
	e = *ret ? program_object_prepare(dp, *ret, err)
		 : errmsg_set(err, -errno, "cannot open the XDP object");
	if (!e)
		e = program_object_set(*ret, "xdp_frags", &no, sizeof(no));
	libbpf_unregister_prog_handler(handler);
	return e;
}

/* What is declared without a value. */
struct bpf_map *program_object_bss(const struct bpf_object *obj)
{
	struct bpf_map *m;

	bpf_object__for_each_map(m, obj)
	{
		const char *name = strrchr(bpf_map__name(m), '.');

		if (bpf_map__is_internal(m) && name && strcmp(name, ".bss") == 0)
			return m;
	}
	return NULL;
}
