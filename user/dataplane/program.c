/* SPDX-License-Identifier: BSD-2-Clause */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#include "base/cleanup.h"
#include "dataplane_state.h"
#include "drop_cache_map.h"
#include "guard_map.h"
#include "map_size.h"
#include "pin.h"
#include "program.h"
#include "steer_link.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include "agent_maps.skel.h"
#include "limit_concurrent.skel.h"
#include "sk_lookup.skel.h"
#include "tc_egress.skel.h"
#include "tc_explain.skel.h"
#include "tc_ingress.skel.h"
#include "xdp_explain.skel.h"
#include "xdp_ingress.skel.h"
#include "xdp_ingress_fixed.skel.h"
#pragma GCC diagnostic pop

/* libbpf's print function has no context; this process opens one dataplane at a time. */
static char complaint[256];
static char verifier[256]; /* the last line of its log but the statistics */

const char *program_complaint(void)
{
	return complaint;
}

void program_complaint_clear(void)
{
	complaint[0] = verifier[0] = 0;
}

/* "…-- BEGIN PROG LOAD LOG --\nlog-- END…": keep the line before "processed N insns". */
static void note_verifier(const char *log)
{
	const char *end = strstr(log, "\nprocessed "), *start = end;

	if (!end)
		return;
	while (start > log && start[-1] != '\n')
		start--;
	snprintf(verifier, sizeof(verifier), "%.*s", (int)(end - start), start);
}

/* Keep the first line that complains: what follows are its consequences. */
static void complain(const char *format, va_list args)
{
	CLEANUP_FREE char *text = NULL;

	if (vasprintf(&text, format, args) < 0) {
		text = NULL;
		return;
	}
	note_verifier(text);
	if (!complaint[0])
		snprintf(complaint, sizeof(complaint), "%.*s", (int)strcspn(text, "\n"), text);
}

static int on_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	if (level == LIBBPF_WARN)
		complain(format, args);
	return 0;
}

static int on_libxdp(enum libxdp_print_level level, const char *format, va_list args)
{
	if (level == LIBXDP_WARN)
		complain(format, args);
	return 0;
}

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
};

static struct bpf_object *open_object(enum program_object which)
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

static int set_global(struct bpf_object *obj, const char *name, const void *value, uint32_t bytes)
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
	const bool drop = dp->conf.unknown_l4 == CONF_L4_DROP;
	const struct {
		const char *name;
		const void *value;
		uint32_t bytes;
	} settings[] = {
		{ "ring_stride", &dp->conf.ring_size, 4 },
		{ "events_per_s", &dp->conf.events_per_s, 4 },
		{ "limit_concurrent_sets", &concurrent_sets, 4 },
		{ "unknown_l4_drop", &drop, sizeof(drop) },
		{ "drop_cache_factor", &dp->drop_cache_factor, sizeof(dp->drop_cache_factor) },
		{ "guard_own", &dp->guard_own, sizeof(dp->guard_own) },
		{ "guard_vips", &dp->guard_vips, sizeof(dp->guard_vips) },
	};
	size_t i;

	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		int e = set_global(obj, settings[i].name, settings[i].value, settings[i].bytes);

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
static int note_map(struct dataplane *dp, const struct bpf_map *m, struct errmsg *err)
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
	return 0;
}

/* Sizes and settings; pins are ours to make, so libbpf is told of none. */
static int prepare(struct dataplane *dp, struct bpf_object *obj, struct errmsg *err)
{
	struct bpf_map *m;
	int e;

	bpf_object__for_each_map(m, obj)
	{
		uint32_t size = map_size_configured(&dp->conf, bpf_map__name(m));

		if (!bpf_map__pin_path(m))
			continue;
		if (size)
			bpf_map__set_max_entries(m, size);
		bpf_map__set_pin_path(m, NULL);
		e = note_map(dp, m, err);
		if (e)
			return e;
	}
	/* The maps have no program, and the one that steers connections has no setting. */
	return global_offset(obj, "ring_stride", 4) >= 0 ? set_settings(dp, obj, err) : 0;
}

void program_quiet(void)
{
	libbpf_set_print(on_libbpf);
	libxdp_set_print(on_libxdp);
	program_complaint_clear();
}

int program_open(struct dataplane *dp, struct program_set *ret, struct errmsg *err)
{
	int i, e;

	program_quiet();
	guard_map_probe(dp);
	steer_link_probe(dp);
	program_complaint_clear();
	e = drop_cache_map_open(dp);
	if (e)
		return errmsg_set(err, e, "no random number for the drop cache");
	for (i = 0; i < PROGRAM_OBJECTS; i++) {
		if (i == PROGRAM_SK_LOOKUP && dp->steer_why[0])
			continue;
		ret->obj[i] = open_object((enum program_object)i);
		if (!ret->obj[i])
			return errmsg_set(err, -errno, "cannot open a BPF object: %s", complaint);
		e = prepare(dp, ret->obj[i], err);
		if (e)
			return e;
	}
	return 0;
}

void program_set_clear(struct program_set *set)
{
	int i;

	for (i = 0; i < PROGRAM_OBJECTS; i++)
		bpf_object__close(set->obj[i]);
	memset(set, 0, sizeof(*set));
}

static int use_maps(struct dataplane *dp, struct bpf_object *obj)
{
	struct bpf_map *m;

	bpf_object__for_each_map(m, obj)
	{
		const struct pinned_map *known = pinned_map_find(dp, bpf_map__name(m));
		int err = known && known->fd >= 0 ? bpf_map__reuse_fd(m, known->fd) : 0;

		if (err)
			return err;
	}
	return 0;
}

/* Descriptors that outlive the object. */
static int take_maps(struct dataplane *dp, struct bpf_object *obj)
{
	struct bpf_map *m;

	bpf_object__for_each_map(m, obj)
	{
		struct pinned_map *known = pinned_map_find(dp, bpf_map__name(m));

		if (!known || known->fd >= 0)
			continue;
		known->fd = fcntl(bpf_map__fd(m), F_DUPFD_CLOEXEC, 3);
		if (known->fd < 0)
			return -errno;
	}
	return 0;
}

/* The map that libbpf complains about, "map 'NAME': ..." or "...(NAME):..."; NULL: none. */
static const struct pinned_map *complained_of(const struct dataplane *dp)
{
	char quoted[64], bracketed[64];
	size_t i;

	for (i = 0; i < dp->n_maps; i++) {
		snprintf(quoted, sizeof(quoted), "'%s'", dp->maps[i].name);
		snprintf(bracketed, sizeof(bracketed), "(%s)", dp->maps[i].name);
		if (strstr(complaint, quoted) || strstr(complaint, bracketed))
			return &dp->maps[i];
	}
	return NULL;
}

static int no_memory(const struct dataplane *dp, int code, const char *what, struct errmsg *err)
{
	const struct pinned_map *m = complained_of(dp);
	const char *setting = m ? map_size_setting(m->name) : NULL;

	if (!m)
		return errmsg_set(err, code, "no memory for %s: %s; lower dataplane.max_*", what,
				  complaint);
	return errmsg_set(err, code,
			  "the kernel refuses map %s with %u entries, which takes %" PRIu64
			  " MiB: %s; lower %s",
			  m->name, m->shape.max_entries, map_size_bytes(&m->shape) >> 20,
			  strerror(-code), setting ? setting : "dataplane.max_*");
}

static int load_failed(const struct dataplane *dp, int code, const char *what, struct errmsg *err)
{
	if (code == -EPERM)
		return errmsg_set(err, code,
				  "the kernel refuses to load %s: CAP_BPF, CAP_NET_ADMIN and "
				  "CAP_PERFMON are needed (%s)",
				  what, complaint);
	/* The verifier's words come after: its last line says what it minds. */
	if (code == -EACCES || code == -EINVAL)
		return errmsg_set(err, code, "this kernel's verifier refuses %s (%s): %.200s", what,
				  strerror(-code), verifier);
	if (code == -ENOMEM || code == -E2BIG)
		return no_memory(dp, code, what, err);
	return errmsg_set(err, code, "cannot load %s: %s (%s)", what, strerror(-code), complaint);
}

static int load_object(struct dataplane *dp, struct bpf_object *obj, struct errmsg *err)
{
	const char *name = bpf_object__name(obj);
	int e = use_maps(dp, obj);

	program_complaint_clear();
	if (!e)
		e = bpf_object__load(obj);
	if (!e)
		e = take_maps(dp, obj);
	return e ? load_failed(dp, e, name, err) : 0;
}

/* What is declared without a value. */
static struct bpf_map *bss_of(const struct bpf_object *obj)
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

static int keep_bss(const struct bpf_object *obj)
{
	const struct bpf_map *bss = bss_of(obj);
	int fd = bss ? fcntl(bpf_map__fd(bss), F_DUPFD_CLOEXEC, 3) : 0;

	return fd > 0 ? fd : 0;
}

static int take_program(struct bpf_object *obj, bool frags, struct program *ret)
{
	struct bpf_program *p = bpf_object__next_program(obj, NULL);
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	if (!p)
		return -ENOENT;
	ret->fd = fcntl(bpf_program__fd(p), F_DUPFD_CLOEXEC, 3);
	if (ret->fd < 0 || bpf_obj_get_info_by_fd(ret->fd, &info, &len))
		return -errno;
	ret->id = info.id;
	ret->frags = frags;
	return 0;
}

/*
 * Open the XDP object for packets of one buffer. libbpf asks for several because of the section's
 * name, xdp.frags: while it opens the object, that name is given the meaning of "xdp".
 */
static int open_single_buffer(struct dataplane *dp, enum program_object which,
			      struct bpf_object **ret, struct errmsg *err)
{
	const bool no = false;
	int handler = libbpf_register_prog_handler("xdp.frags", BPF_PROG_TYPE_XDP, BPF_XDP, NULL);
	int e;

	if (handler < 0)
		return errmsg_set(err, handler, "cannot open the XDP object without frags");
	*ret = open_object(which);
	e = *ret ? prepare(dp, *ret, err) : errmsg_set(err, -errno, "cannot open the XDP object");
	if (!e)
		e = set_global(*ret, "xdp_frags", &no, sizeof(no));
	libbpf_unregister_prog_handler(handler);
	return e;
}

/* Linux 5.17 and older refuse programs for several buffers: once more without. */
static int load_xdp(struct dataplane *dp, struct program_set *set, bool *ret_frags,
		    struct errmsg *err)
{
	int e = load_object(dp, set->obj[PROGRAM_XDP], err);

	*ret_frags = true;
	if (e != -EINVAL)
		return e;
	bpf_object__close(set->obj[PROGRAM_XDP]);
	set->obj[PROGRAM_XDP] = NULL;
	*ret_frags = false;
	e = open_single_buffer(dp, PROGRAM_XDP, &set->obj[PROGRAM_XDP], err);
	return e ? e : load_object(dp, set->obj[PROGRAM_XDP], err);
}

/* Is a map left that none of the objects that were loaded has? */
static bool lacks_maps(const struct dataplane *dp)
{
	size_t i;

	for (i = 0; i < dp->n_maps; i++) {
		if (dp->maps[i].fd < 0)
			return true;
	}
	return false;
}

static int take_egress(struct dataplane *dp, struct bpf_object *obj, struct errmsg *err)
{
	int e = load_object(dp, obj, err);

	if (e)
		return e;
	e = take_program(obj, false, &dp->egress);
	return e ? errmsg_set(err, e, "cannot read tc_egress: %s", strerror(-e)) : 0;
}

/* Maps that only this object has: without it nobody makes them. */
static void forget_maps(struct dataplane *dp, struct bpf_object *obj)
{
	struct bpf_map *m;

	bpf_object__for_each_map(m, obj)
	{
		struct pinned_map *known = pinned_map_find(dp, bpf_map__name(m));

		if (known && known->fd < 0 && known->old_fd < 0)
			*known = dp->maps[--dp->n_maps];
	}
}

/* A kernel that does not take it has listeners without `steer`; status says why. */
static int load_sk_lookup(struct dataplane *dp, struct bpf_object *obj, struct errmsg *err)
{
	int e = load_object(dp, obj, err);

	if (!e)
		return take_program(obj, false, &dp->sk_lookup);
	snprintf(dp->steer_why, sizeof(dp->steer_why), "%.250s", err->text);
	forget_maps(dp, obj);
	return 0;
}

int program_load(struct dataplane *dp, struct program_set *set, struct errmsg *err)
{
	CLEANUP_FD int egress_fd = pin_get(dp->dir_fd, PIN_PROG "tc_egress");
	bool frags = false;
	int e = load_object(dp, set->obj[PROGRAM_AGENT_MAPS], err);

	if (!e)
		e = load_xdp(dp, set, &frags, err);
	if (!e)
		e = load_object(dp, set->obj[PROGRAM_TC], err);
	if (!e && set->obj[PROGRAM_SK_LOOKUP])
		e = load_sk_lookup(dp, set->obj[PROGRAM_SK_LOOKUP], err);
	/* In force somewhere: to be replaced. Else the first device that wants it loads it. */
	if (!e && (egress_fd >= 0 || lacks_maps(dp)))
		e = take_egress(dp, set->obj[PROGRAM_EGRESS], err);
	if (e)
		return e;
	e = take_program(set->obj[PROGRAM_XDP], frags, &dp->xdp);
	if (!e)
		e = take_program(set->obj[PROGRAM_TC], false, &dp->tc);
	dp->xdp.bss_fd = keep_bss(set->obj[PROGRAM_XDP]);
	dp->tc.bss_fd = keep_bss(set->obj[PROGRAM_TC]);
	return e ? errmsg_set(err, e, "cannot read the programs: %s", strerror(-e)) : 0;
}

static void close_object(struct bpf_object **obj)
{
	bpf_object__close(*obj);
}

int program_load_egress(struct dataplane *dp, struct errmsg *err)
{
	CLEANUP(close_object) struct bpf_object *obj = NULL;
	int e;

	program_complaint_clear();
	obj = open_object(PROGRAM_EGRESS);
	if (!obj)
		return errmsg_set(err, -errno, "cannot open tc_egress: %s", complaint);
	e = prepare(dp, obj, err);
	return e ? e : take_egress(dp, obj, err);
}

int program_load_concurrent(struct dataplane *dp, uint32_t generation, uint64_t netns_cookie,
			    int *ret, struct errmsg *err)
{
	CLEANUP(close_object) struct bpf_object *obj = NULL;
	int e;

	program_complaint_clear();
	obj = open_object(PROGRAM_CONCURRENT);
	e = obj ? prepare(dp, obj, err)
		: errmsg_set(err, -errno, "cannot open limit_concurrent: %s", complaint);
	if (!e)
		e = set_global(obj, "generation", &generation, sizeof(generation));
	if (!e)
		e = set_global(obj, "netns_cookie", &netns_cookie, sizeof(netns_cookie));
	if (!e)
		e = load_object(dp, obj, err);
	if (e)
		return e;
	*ret = fcntl(bpf_program__fd(bpf_object__next_program(obj, NULL)), F_DUPFD_CLOEXEC, 3);
	return *ret < 0 ? errmsg_set(err, -errno, "cannot keep a program: %s", strerror(errno)) : 0;
}

int program_open_xdp(struct dataplane *dp, enum program_object which, struct bpf_object **ret,
		     struct errmsg *err)
{
	struct bpf_object *obj = NULL;
	int e;

	if (!dp->xdp.frags && which != PROGRAM_TC_EXPLAIN) {
		e = open_single_buffer(dp, which, &obj, err);
	} else {
		obj = open_object(which);
		e = obj ? prepare(dp, obj, err) : errmsg_set(err, -errno, "cannot open XDP");
	}
	if (!e)
		e = use_maps(dp, obj);
	if (e) {
		bpf_object__close(obj);
		return e;
	}
	*ret = obj;
	return 0;
}

int program_load_explain(struct dataplane *dp, enum program_object which, struct bpf_object **ret,
			 struct errmsg *err)
{
	int bss_fd = which == PROGRAM_XDP_EXPLAIN ? dp->xdp.bss_fd : dp->tc.bss_fd;
	CLEANUP(close_object) struct bpf_object *obj = NULL;
	int e = program_open_xdp(dp, which, &obj, err);

	if (!e && bss_fd > 0 && bss_of(obj))
		e = bpf_map__reuse_fd(bss_of(obj), bss_fd);
	if (!e)
		e = load_object(dp, obj, err);
	if (!e)
		*ret = take_ptr(&obj);
	return e;
}
