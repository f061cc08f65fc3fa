/* SPDX-License-Identifier: BSD-2-Clause */
/* What libbpf, libxdp and the verifier say, and the error that an operator gets for it. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include "base/cleanup.h"
#include "dataplane_state.h"
#include "map_size.h"
#include "program.h"
#include "program_object.h"

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

void program_quiet(void)
{
	libbpf_set_print(on_libbpf);
	libxdp_set_print(on_libxdp);
	program_complaint_clear();
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

/*
 * Functions of the kernel are called by their types (bpf/lib/crypto.h), also in programs of which
 * the verifier deletes the calls: libbpf asks before. It looks in sysfs, /boot and /lib/modules.
 */
static int no_types(int code, const char *what, struct errmsg *err)
{
	const bool there = !access("/sys/kernel/btf/vmlinux", F_OK);
	struct utsname host;

	return errmsg_set(
		err, code,
		"cannot load %s: the types of Linux %s (BTF) %s; it takes "
		"CONFIG_DEBUG_INFO_BTF=y, as distributions build it, and sysfs at /sys; then "
		"restart sluiced",
		what, uname(&host) ? "here" : host.release,
		there ? "in /sys/kernel/btf/vmlinux cannot be read"
		      : "are missing: there is no /sys/kernel/btf/vmlinux");
}

int program_load_failed(const struct dataplane *dp, int code, const char *what, struct errmsg *err)
{
	if (strstr(complaint, "kernel BTF") || strstr(complaint, "vmlinux BTF"))
		return no_types(code, what, err);
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
