/* SPDX-License-Identifier: BSD-2-Clause */
/* One BPF object before it is loaded: opened, its settings, the sizes of its maps. */
#pragma once

#include <bpf/libbpf.h>
#include <stdint.h>

#include "base/errmsg.h"
#include "program.h"

/* NULL with errno where libbpf refuses. */
struct bpf_object *program_object_open(enum program_object which);
/* As above and prepared, for packets of one buffer (Linux 5.17 and older take no others). */
int program_object_open_single(struct dataplane *dp, enum program_object which,
			       struct bpf_object **ret, struct errmsg *err);
/* Write a global of .rodata: -ENOENT without it, -EINVAL where it is not of these bytes. */
int program_object_set(struct bpf_object *obj, const char *name, const void *value, uint32_t bytes);
/* Sizes, settings, and the names of its maps in dp->maps. */
int program_object_prepare(struct dataplane *dp, struct bpf_object *obj, struct errmsg *err);
/* What is declared without a value; NULL without any. */
struct bpf_map *program_object_bss(const struct bpf_object *obj);
/* The error for a load that failed with this code; returns it. */
int program_load_failed(const struct dataplane *dp, int code, const char *what, struct errmsg *err);
