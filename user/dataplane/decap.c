/* SPDX-License-Identifier: BSD-2-Clause */
#include "decap.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "device_facts.h"
#include "diagnose.h"
#include "link.h"
#include "pin.h"
#include "pinned_map.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include "xdp_decap.skel.h"
#pragma GCC diagnostic pop

struct decap {
	struct bpf_object *object;
	char warning[DIAGNOSE_LINE_BYTES];
};

void decap_close(struct decap *d)
{
	if (!d)
		return;
	bpf_object__close(d->object);
	free(d);
}

static void close_it(struct decap **d)
{
	decap_close(*d);
}

static int map_fd(const struct decap *d, const char *name)
{
	return bpf_object__find_map_fd_by_name(d->object, name);
}

static int program_fd(const struct decap *d)
{
	return bpf_program__fd(bpf_object__next_program(d->object, NULL));
}

static int fill(const struct decap *d, const struct conf_decap *conf)
{
	const struct decap_settings settings = { .gue_port = htons(conf->gue_port),
						 .ipip = conf->ipip };
	const uint32_t zero = 0;
	const uint8_t yes = 1;

	if (bpf_map_update_elem(map_fd(d, "decap"), &zero, &settings, BPF_ANY))
		return -errno;
	for (size_t i = 0; i < conf->n_sources; i++)
		if (bpf_map_update_elem(map_fd(d, "decap_source"), &conf->sources[i], &yes,
					BPF_ANY))
			return -errno;
	return 0;
}

static int load(const struct conf_decap *conf, struct decap **ret, struct errmsg *err)
{
	CLEANUP(close_it) struct decap *d = calloc(1, sizeof(*d));
	const void *image;
	size_t bytes;
	int e;

	if (!d)
		return errmsg_set(err, -ENOMEM, "decap: no memory");
	image = xdp_decap__elf_bytes(&bytes);
	d->object = bpf_object__open_mem(image, bytes, NULL);
	e = d->object ? bpf_object__load(d->object) : -errno;
	if (!e)
		e = fill(d, conf);
	if (e)
		return errmsg_set(err, e, "cannot load xdp_decap: %s", strerror(-e));
	*ret = take_ptr(&d);
	return 0;
}

static void warn(struct decap *d, const char *device, int code)
{
	if (d->warning[0])
		return;
	if (code == -EBUSY)
		snprintf(d->warning, sizeof(d->warning),
			 "decap: %s has an XDP program already: remove it (`ip link set dev %s xdp "
			 "off`)",
			 device, device);
	else
		snprintf(d->warning, sizeof(d->warning),
			 "decap: cannot attach to %s: %s; it is tried again at the next reload",
			 device, strerror(-code));
}

/* What is taken out is from clients, wherever the edges are. */
static void check_filter(struct decap *d, const char *device)
{
	CLEANUP_FD int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (proc_fd < 0 || d->warning[0])
		return;
	diagnose_rp_filter(device, device_facts_rp_filter(proc_fd, device),
			   device_facts_is_way_out(device), "what decap takes out for clients",
			   d->warning, sizeof(d->warning));
}

static int create(const struct decap *d, const char *pin, int dir_fd, uint32_t ifindex)
{
	const int prog_fd = program_fd(d);
	static const uint32_t modes[] = { XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE };
	CLEANUP_FD int fd = -1;

	for (size_t i = 0; fd < 0 && i < 2; i++) {
		LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = modes[i]);

		fd = bpf_link_create(prog_fd, (int)ifindex, BPF_XDP, &opts);
		if (fd < 0 && errno == EBUSY)
			break; /* another's program: not one to go around */
	}
	return fd < 0 ? -errno : pin_put(dir_fd, pin, fd);
}

static int attach(const struct decap *d, int dir_fd, const char *device)
{
	const uint32_t ifindex = if_nametoindex(device);
	uint32_t on = 0, prog_id = 0;
	char pin[PIN_NAME_MAX];
	CLEANUP_FD int fd = -1;

	if (!ifindex)
		return -ENODEV;
	pin_device_name(pin, PIN_LINK, device, PIN_DECAP_SUFFIX);
	fd = link_get(dir_fd, pin, &on, &prog_id);
	if (fd >= 0 && on == ifindex)
		return bpf_link_update(fd, program_fd(d), NULL) ? -errno : 0;
	if (fd >= 0) /* its device is gone, and this is another of that name */
		link_remove(dir_fd, pin);
	return create(d, pin, dir_fd, ifindex);
}

struct unwanted {
	int dir_fd;
	const struct conf_decap *conf;
};

static int remove_unwanted(const char *name, void *ctx)
{
	const struct unwanted *u = ctx;
	char device[16];

	if (!pin_device_parse(name, PIN_LINK, PIN_DECAP_SUFFIX, device))
		return 0;
	for (size_t i = 0; i < u->conf->n_devices; i++)
		if (strcmp(u->conf->devices[i], device) == 0)
			return 0;
	link_remove(u->dir_fd, name);
	return 0;
}

int decap_apply(int dir_fd, const struct conf_decap *conf, struct decap **d, struct errmsg *err)
{
	struct unwanted unwanted = { dir_fd, conf };
	CLEANUP(close_it) struct decap *next = NULL;
	int e = conf->n_devices ? load(conf, &next, err) : 0;

	if (e)
		return e;
	pin_each(dir_fd, remove_unwanted, &unwanted);
	for (size_t i = 0; next && i < conf->n_devices; i++) {
		e = attach(next, dir_fd, conf->devices[i]);
		if (e)
			warn(next, conf->devices[i], e);
		else
			check_filter(next, conf->devices[i]);
	}
	decap_close(*d);
	*d = take_ptr(&next);
	return 0;
}

const char *decap_warning(const struct decap *d)
{
	return d ? d->warning : "";
}

int decap_counts(const struct decap *d, uint64_t ret[DECAP_COUNT_COUNT])
{
	const int fd = d ? map_fd(d, "stats_decap") : -ENOENT;
	int err = fd < 0 ? fd : 0;

	for (uint32_t i = 0; !err && i < DECAP_COUNT_COUNT; i++)
		err = pinned_map_sum(fd, &i, sizeof(ret[i]), &ret[i]);
	return err;
}
