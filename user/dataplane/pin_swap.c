/* SPDX-License-Identifier: BSD-2-Clause */
#include "pin_swap.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "dataplane_state.h"
#include "layout.h"
#include "pin.h"

#define NEW_LAYOUT PIN_NEW "layout"
#define NEW_LIST   PIN_NEW "layout_maps"

static int remove_new(const char *name, void *ctx)
{
	const int *dir_fd = ctx;

	if (strncmp(name, PIN_NEW, strlen(PIN_NEW)) == 0)
		pin_remove(*dir_fd, name);
	return 0;
}

void pin_swap_cancel(int dir_fd)
{
	pin_each(dir_fd, remove_new, &dir_fd);
}

int pin_swap_stage(struct dataplane *dp, struct errmsg *err)
{
	for (size_t i = 0; i < dp->n_maps; i++) {
		const struct pinned_map *m = &dp->maps[i];
		char name[PIN_NAME_MAX];
		int e;

		if (m->fate == MAP_ADOPTED)
			continue;
		snprintf(name, sizeof(name), PIN_NEW "%s", m->name);
		e = pin_put(dp->dir_fd, name, m->fd);
		if (!e)
			continue;
		pin_swap_cancel(dp->dir_fd);
		return errmsg_set(err, e, "cannot pin map %s: %s", m->name, strerror(-e));
	}
	return 0;
}

int pin_swap_commit(int dir_fd, struct errmsg *err)
{
	int e = pin_rename(dir_fd, NEW_LAYOUT, PIN_COMMIT);

	return e ? errmsg_set(err, e, "cannot rename the pin of map layout: %s", strerror(-e)) : 0;
}

static int rename_new(const char *name, void *ctx)
{
	const int *dir_fd = ctx;

	if (strncmp(name, PIN_NEW, strlen(PIN_NEW)) != 0 || strcmp(name, NEW_LIST) == 0)
		return 0;
	return pin_rename(*dir_fd, name, pin_final_name(name));
}

/* Maps that the agent before had, and that this one knows nothing of. */
static void remove_unlisted(int dir_fd)
{
	CLEANUP_FD int old_fd = layout_list_open(dir_fd, "layout_maps");
	CLEANUP_FD int new_fd = layout_list_open(dir_fd, NEW_LIST);
	struct layout_name name, last;
	bool more = old_fd >= 0 && new_fd >= 0 && bpf_map_get_next_key(old_fd, NULL, &name) == 0;
	struct layout_map row;

	while (more) {
		last = name;
		more = bpf_map_get_next_key(old_fd, &last, &name) == 0;
		if (bpf_map_lookup_elem(new_fd, &last, &row) && errno == ENOENT)
			layout_remove_map(dir_fd, &last);
	}
}

int pin_swap_finish(int dir_fd)
{
	int err = pin_each(dir_fd, rename_new, &dir_fd);

	if (err)
		return err;
	remove_unlisted(dir_fd);
	err = pin_rename(dir_fd, NEW_LIST, "layout_maps");
	if (err && err != -ENOENT) /* that far it came before it crashed */
		return err;
	return pin_rename(dir_fd, PIN_COMMIT, "layout");
}

int pin_swap_recover(int dir_fd)
{
	CLEANUP_FD int begun = pin_get(dir_fd, PIN_COMMIT);

	if (begun >= 0)
		return pin_swap_finish(dir_fd);
	if (begun != -ENOENT)
		return begun;
	return pin_each(dir_fd, remove_new, &dir_fd);
}
