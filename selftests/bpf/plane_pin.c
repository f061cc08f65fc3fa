/* SPDX-License-Identifier: BSD-2-Clause */
#include "plane_pin.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#define NAMES_MAX 8
#define PROGRAM	  "program" /* pinned last: what has it is whole */

/* Two planes of one process do not share their maps. */
static const char *in_use[NAMES_MAX];
static size_t n_in_use;

static bool is_in_use(const char *name)
{
	size_t i;

	for (i = 0; i < n_in_use; i++) {
		if (strcmp(in_use[i], name) == 0)
			return true;
	}
	return false;
}

/* A dot in a name is what a bpffs refuses. */
static void pin_path(char ret[256], const char *name, const char *what)
{
	char *dot;

	snprintf(ret, 256, "%s/%s/%s", getenv("SLUICE_PLANES"), name, what);
	while ((dot = strchr(ret, '.')))
		*dot = '_';
}

/* The whole of it or nothing: a map that is missing or another's shape is a bug of this file. */
static void take_maps(struct bpf_object *object, const char *name)
{
	struct bpf_map *map;
	char path[256];

	bpf_object__for_each_map(map, object)
	{
		int fd;

		pin_path(path, name, bpf_map__name(map));
		fd = bpf_obj_get(path);
		if (fd < 0)
			fail_msg("%s: %d", path, errno);
		assert_int_equal(bpf_map__reuse_fd(map, fd), 0);
	}
}

int plane_pin_take(struct bpf_object *object, const char *name)
{
	struct bpf_program *program;
	char path[256];
	int fd;

	if (!getenv("SLUICE_PLANES") || is_in_use(name) || n_in_use == NAMES_MAX)
		return -1;
	pin_path(path, name, PROGRAM);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -1;
	take_maps(object, name);
	bpf_object__for_each_program(program, object)
		assert_int_equal(bpf_program__set_autoload(program, false), 0);
	in_use[n_in_use++] = name;
	return fd;
}

void plane_pin_keep(const struct bpf_object *object, const char *name)
{
	struct bpf_program *program = bpf_object__next_program(object, NULL);
	struct bpf_map *map;
	char path[256];

	if (!getenv("SLUICE_PLANES") || is_in_use(name) || n_in_use == NAMES_MAX)
		return;
	pin_path(path, name, "");
	if (mkdir(path, 0700))
		return;
	bpf_object__for_each_map(map, object)
	{
		pin_path(path, name, bpf_map__name(map));
		assert_int_equal(bpf_obj_pin(bpf_map__fd(map), path), 0);
	}
	pin_path(path, name, PROGRAM);
	assert_int_equal(bpf_obj_pin(bpf_program__fd(program), path), 0);
	in_use[n_in_use++] = name;
}
