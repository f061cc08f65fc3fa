/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "plane_explain.h"
#include "plane_pool.h"
#include "tc_explain.skel.h"
#include "xdp_explain.skel.h"

/* Those of planes that stay: one for each hook and settings. */
#define KEPT_MAX 8
static struct {
	const void *in;
	struct plane_explain explain;
} kept[KEPT_MAX];
static size_t n_kept;

static struct bpf_map *internal_of(const struct bpf_object *object, const char *section)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
	{
		const char *dot = strrchr(bpf_map__name(map), '.');

		if (bpf_map__is_internal(map) && dot && strcmp(dot, section) == 0)
			return map;
	}
	return NULL;
}

/* Settings are where they are in the program that is explained: both include bpf/config.h. */
static void copy_settings(const struct bpf_object *object, const struct plane *in)
{
	size_t n, want;
	void *to = (void *)(uintptr_t)bpf_map__initial_value(internal_of(object, ".rodata"), &n);
	const void *from = bpf_map__initial_value(internal_of(in->object, ".rodata"), &want);

	assert_int_equal(n, want);
	memcpy(to, from, n);
}

static void load(struct plane_explain *x, const struct plane *in)
{
	const void *elf;
	struct bpf_map *map;
	size_t bytes = 0;

	elf = in->hook == PLANE_XDP ? xdp_explain__elf_bytes(&bytes)
				    : tc_explain__elf_bytes(&bytes);
	x->object = bpf_object__open_mem(elf, bytes, NULL);
	assert_non_null(x->object);
	copy_settings(x->object, in);
	bpf_object__for_each_map(map, x->object)
	{
		int fd = bpf_object__find_map_fd_by_name(in->object, bpf_map__name(map));

		assert_int_equal(bpf_map__set_pin_path(map, NULL), 0);
		if (!bpf_map__is_internal(map) && fd >= 0)
			assert_int_equal(bpf_map__reuse_fd(map, fd), 0);
	}
	assert_int_equal(bpf_map__reuse_fd(internal_of(x->object, ".bss"),
					   bpf_map__fd(internal_of(in->object, ".bss"))),
			 0);
	assert_int_equal(bpf_object__load(x->object), 0);
	x->prog_fd = bpf_program__fd(bpf_object__next_program(x->object, NULL));
	x->trace_fd = bpf_object__find_map_fd_by_name(x->object, "explain_trace");
	assert_true(x->trace_fd >= 0);
}

void plane_explain_open(struct plane_explain *x, const struct plane *in)
{
	size_t i;

	for (i = 0; i < n_kept; i++) {
		if (kept[i].in == in->skeleton) {
			*x = kept[i].explain;
			return;
		}
	}
	load(x, in);
	if (n_kept == KEPT_MAX || !plane_pool_has(in))
		return;
	kept[n_kept].in = in->skeleton;
	kept[n_kept++].explain = *x;
}

void plane_explain_close(struct plane_explain *x)
{
	size_t i;

	for (i = 0; i < n_kept; i++) {
		if (kept[i].explain.object == x->object)
			return;
	}
	bpf_object__close(x->object);
	memset(x, 0, sizeof(*x));
}

uint32_t plane_explain_run(const struct plane_explain *x, const void *frame, uint32_t bytes,
			   void *out, uint32_t *out_bytes, struct explain_trace *ret)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = bytes,
		    .data_out = out, .data_size_out = *out_bytes, .repeat = 1);
	uint32_t zero = 0;

	memset(ret, 0, sizeof(*ret));
	assert_int_equal(bpf_map_update_elem(x->trace_fd, &zero, ret, BPF_ANY), 0);
	assert_int_equal(bpf_prog_test_run_opts(x->prog_fd, &opts), 0);
	assert_int_equal(bpf_map_lookup_elem(x->trace_fd, &zero, ret), 0);
	*out_bytes = opts.data_size_out;
	return opts.retval;
}
