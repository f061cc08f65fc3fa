/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * load_objects LABEL FILE...: load every program of the BPF objects into the running kernel, and
 * print how many instructions its verifier went through, one line a program:
 *   KERNEL LABEL OBJECT PROGRAM INSTRUCTIONS      (tabs between)
 * Each object is loaded as it is and with every switch (a bool of .rodata) on; the larger of both
 * is printed. Nothing is pinned, attached or left behind. 1: a program does not load.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/cleanup.h"

#define PROGRAMS_MAX 32
#define LOG_BYTES    (64 * 1024)
/* BPF_LOG_STATS of the kernel's bpf_verifier.h: the statistics, and why a program is refused. */
#define LOG_STATS 4
#define LOG_SHOWN 600

struct count {
	char program[64];
	unsigned long insns;
};

struct counts {
	struct count row[PROGRAMS_MAX];
	size_t n;
};

static void close_object(struct bpf_object **obj)
{
	bpf_object__close(*obj); /* NULL is fine */
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

static struct bpf_map *rodata_of(struct bpf_object *obj)
{
	struct bpf_map *m;

	bpf_object__for_each_map(m, obj)
	{
		const char *dot = strrchr(bpf_map__name(m), '.');

		if (bpf_map__is_internal(m) && dot && strcmp(dot, ".rodata") == 0)
			return m;
	}
	return NULL;
}

static bool is_switch(const struct btf *btf, uint32_t type_id)
{
	const struct btf_type *t = btf__type_by_id(btf, type_id);
	int id = btf__resolve_type(btf, t->type); /* through const, volatile and typedef */

	t = id < 0 ? NULL : btf__type_by_id(btf, (uint32_t)id);
	return t && btf_is_int(t) && btf_int_encoding(t) & BTF_INT_BOOL;
}

/* A switch that says what the kernel has, and this one has not: the loader leaves it off. */
static bool is_lacking(const struct btf *btf, uint32_t type_id)
{
	const struct btf_type *t = btf__type_by_id(btf, type_id);

	return strcmp(btf__name_by_offset(btf, t->name_off), "quic_encryption") == 0 &&
	       libbpf_find_vmlinux_btf_id("bpf_crypto_decrypt", 0) < 0;
}

static void switch_all_on(struct bpf_object *obj)
{
	const struct btf *btf = bpf_object__btf(obj);
	struct bpf_map *m = rodata_of(obj);
	const struct btf_var_secinfo *var;
	const struct btf_type *section;
	size_t size;
	bool *data;
	int id, i;

	id = btf ? btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC) : -ENOENT;
	data = m ? (bool *)(uintptr_t)bpf_map__initial_value(m, &size) : NULL;
	if (id < 0 || !data)
		return;
	section = btf__type_by_id(btf, (uint32_t)id);
	var = btf_var_secinfos(section);
	for (i = 0; i < btf_vlen(section); i++) {
		if (is_switch(btf, var[i].type) && var[i].offset < size &&
		    !is_lacking(btf, var[i].type))
			data[var[i].offset] = true;
	}
}

static int keep_larger(struct counts *c, const char *program, const char *log)
{
	const char *found = strstr(log, "processed ");
	unsigned long insns = found ? strtoul(found + strlen("processed "), NULL, 10) : 0;
	size_t i;

	if (!insns)
		return -ENODATA;
	for (i = 0; i < c->n && strcmp(c->row[i].program, program) != 0;)
		i++;
	if (i == PROGRAMS_MAX)
		return -E2BIG;
	if (i == c->n) {
		snprintf(c->row[i].program, sizeof(c->row[i].program), "%s", program);
		c->row[i].insns = 0;
		c->n++;
	}
	if (insns > c->row[i].insns)
		c->row[i].insns = insns;
	return 0;
}

static void show_refusal(const char *path, const char *program, const char *log)
{
	size_t len = strlen(log), from = len > LOG_SHOWN ? len - LOG_SHOWN : 0;

	fprintf(stderr, "%s: %s: the verifier's last words:\n%s\n", path, program, log + from);
}

static int load(const char *path, bool all_on, struct counts *c)
{
	CLEANUP(close_object) struct bpf_object *obj = bpf_object__open_file(path, NULL);
	CLEANUP_FREE char *logs = calloc(PROGRAMS_MAX, LOG_BYTES);
	struct bpf_program *p;
	struct bpf_map *m;
	size_t n = 0;
	int e;

	if (!obj || !logs)
		return obj ? -ENOMEM : -errno;
	bpf_object__for_each_map(m, obj) bpf_map__set_pin_path(m, NULL);
	if (all_on)
		switch_all_on(obj);
	bpf_object__for_each_program(p, obj)
	{
		if (n == PROGRAMS_MAX)
			return -E2BIG;
		bpf_program__set_autoload(p, true);
		bpf_program__set_log_level(p, LOG_STATS);
		bpf_program__set_log_buf(p, logs + n++ * LOG_BYTES, LOG_BYTES);
	}
	e = bpf_object__load(obj);
	n = 0;
	bpf_object__for_each_program(p, obj)
	{
		const char *log = logs + n++ * LOG_BYTES;
		int missing = e ? 0 : keep_larger(c, bpf_program__name(p), log);

		if (missing)
			return missing;
		if (e && *log)
			show_refusal(path, bpf_program__name(p), log);
	}
	return e;
}

/* "6.12" of "6.12.117+deb12-cloud-amd64": a patch release does not change what is counted much. */
static void kernel_name(char *ret, size_t size)
{
	struct utsname u;
	int major = 0, minor = 0;

	if (uname(&u) == 0)
		sscanf(u.release, "%d.%d", &major, &minor);
	snprintf(ret, size, "%d.%d", major, minor);
}

static int measure(const char *kernel, const char *label, const char *path)
{
	const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	struct counts c = { .n = 0 };
	size_t i;
	int e = load(path, false, &c);

	if (!e)
		e = load(path, true, &c);
	if (e) {
		fprintf(stderr, "%s does not load on %s: %s\n", path, kernel, strerror(-e));
		return e;
	}
	for (i = 0; i < c.n; i++)
		printf("%s\t%s\t%.*s\t%s\t%lu\n", kernel, label, (int)strcspn(base, "."), base,
		       c.row[i].program, c.row[i].insns);
	return 0;
}

int main(int argc, char **argv)
{
	char kernel[32];
	int i, failed = 0;

	if (argc < 3) {
		fprintf(stderr, "usage: load_objects LABEL FILE...\n");
		return 2;
	}
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	libbpf_set_print(quiet);
	kernel_name(kernel, sizeof(kernel));
	for (i = 2; i < argc; i++)
		failed |= measure(kernel, argv[1], argv[i]) != 0;
	return failed;
}
