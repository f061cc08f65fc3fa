/* SPDX-License-Identifier: BSD-2-Clause */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "dataplane_state.h"
#include "drop_cache_map.h"
#include "guard_map.h"
#include "pin.h"
#include "program.h"
#include "program_object.h"
#include "quic_key.h"
#include "steer_link.h"

int program_open(struct dataplane *dp, struct program_set *ret, struct errmsg *err)
{
	struct errmsg why;
	int i, e;

	program_quiet();
	guard_map_probe(dp);
	steer_link_probe(dp);
	dp->quic_encryption = quic_key_kernel_has(&why);
	program_complaint_clear();
	e = drop_cache_map_open(dp);
	if (e)
		return errmsg_set(err, e, "no random number for the drop cache");
	for (i = 0; i < PROGRAM_OBJECTS; i++) {
		if (i == PROGRAM_SK_LOOKUP && dp->steer_why[0])
			continue;
		ret->obj[i] = program_object_open((enum program_object)i);
		if (!ret->obj[i])
			return errmsg_set(err, -errno, "cannot open a BPF object: %s",
					  program_complaint());
		e = program_object_prepare(dp, ret->obj[i], err);
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

static int load_object(struct dataplane *dp, struct bpf_object *obj, struct errmsg *err)
{
	const char *name = bpf_object__name(obj);
	int e = use_maps(dp, obj);

	program_complaint_clear();
	if (!e)
		e = bpf_object__load(obj);
	if (!e)
		e = take_maps(dp, obj);
	return e ? program_load_failed(dp, e, name, err) : 0;
}

static int keep_bss(const struct bpf_object *obj)
{
	const struct bpf_map *bss = program_object_bss(obj);
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
	e = program_object_open_single(dp, PROGRAM_XDP, &set->obj[PROGRAM_XDP], err);
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

/* Into dp->tc or dp->egress. */
static int take_late(struct dataplane *dp, enum program_object which, struct bpf_object *obj,
		     struct errmsg *err)
{
	struct program *program = which == PROGRAM_TC ? &dp->tc : &dp->egress;
	int e = load_object(dp, obj, err);

	if (e)
		return e;
	e = take_program(obj, false, program);
	if (e)
		return errmsg_set(err, e, "cannot read %s: %s", bpf_object__name(obj),
				  strerror(-e));
	if (which == PROGRAM_TC)
		program->bss_fd = keep_bss(obj);
	return 0;
}

/* Maps that only this object has: without it nobody makes them. */
static void forget_maps(struct dataplane *dp, struct bpf_object *obj)
{
	struct bpf_map *m;

	bpf_object__for_each_map(m, obj)
	{
		struct pinned_map *known = pinned_map_find(dp, bpf_map__name(m));

		if (!known || known->fd >= 0)
			continue;
		pinned_map_close(known);
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
	CLEANUP_FD int tc_fd = pin_get(dp->dir_fd, PIN_PROG "tc_ingress");
	bool frags = false;
	int e = load_object(dp, set->obj[PROGRAM_AGENT_MAPS], err);

	if (!e)
		e = load_xdp(dp, set, &frags, err);
	/* In force somewhere: to be replaced. Else the first device that wants it loads it. */
	if (!e && tc_fd >= 0)
		e = take_late(dp, PROGRAM_TC, set->obj[PROGRAM_TC], err);
	if (!e && set->obj[PROGRAM_SK_LOOKUP])
		e = load_sk_lookup(dp, set->obj[PROGRAM_SK_LOOKUP], err);
	if (!e && (egress_fd >= 0 || lacks_maps(dp)))
		e = take_late(dp, PROGRAM_EGRESS, set->obj[PROGRAM_EGRESS], err);
	if (e)
		return e;
	e = take_program(set->obj[PROGRAM_XDP], frags, &dp->xdp);
	dp->xdp.bss_fd = keep_bss(set->obj[PROGRAM_XDP]);
	return e ? errmsg_set(err, e, "cannot read xdp_ingress: %s", strerror(-e)) : 0;
}

static void close_object(struct bpf_object **obj)
{
	bpf_object__close(*obj);
}

int program_load_late(struct dataplane *dp, enum program_object which, struct errmsg *err)
{
	CLEANUP(close_object) struct bpf_object *obj = NULL;
	int e;

	program_complaint_clear();
	obj = program_object_open(which);
	if (!obj)
		return errmsg_set(err, -errno, "cannot open a program of TC: %s",
				  program_complaint());
	e = program_object_prepare(dp, obj, err);
	return e ? e : take_late(dp, which, obj, err);
}

int program_load_concurrent(struct dataplane *dp, uint32_t generation, uint64_t netns_cookie,
			    int *ret, struct errmsg *err)
{
	CLEANUP(close_object) struct bpf_object *obj = NULL;
	int e;

	program_complaint_clear();
	obj = program_object_open(PROGRAM_CONCURRENT);
	e = obj ? program_object_prepare(dp, obj, err)
		: errmsg_set(err, -errno, "cannot open limit_concurrent: %s", program_complaint());
	if (!e)
		e = program_object_set(obj, "generation", &generation, sizeof(generation));
	if (!e)
		e = program_object_set(obj, "netns_cookie", &netns_cookie, sizeof(netns_cookie));
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
		e = program_object_open_single(dp, which, &obj, err);
	} else {
		obj = program_object_open(which);
		e = obj ? program_object_prepare(dp, obj, err)
			: errmsg_set(err, -errno, "cannot open XDP");
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

	if (!e && bss_fd > 0 && program_object_bss(obj))
		e = bpf_map__reuse_fd(program_object_bss(obj), bss_fd);
	if (!e)
		e = load_object(dp, obj, err);
	if (!e)
		*ret = take_ptr(&obj);
	return e;
}
