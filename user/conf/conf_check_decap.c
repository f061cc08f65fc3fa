/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks across the settings of decap. */
#include <errno.h>
#include <string.h>

#include "conf_check.h"
#include "conf_errors.h"

static bool is_dataplane_device(const struct conf_dataplane *dataplane, const char *name)
{
	for (size_t i = 0; i < dataplane->n_devices; i++)
		if (dataplane->devices[i].name && strcmp(dataplane->devices[i].name, name) == 0)
			return true;
	return false;
}

int conf_check_decap(const struct conf *conf, struct conf_node *root, struct conf_arena *scratch,
		     struct conf_errors *errors)
{
	const struct conf_decap *decap = &conf->decap;
	struct conf_node *node = conf_node_get(root, "decap");
	struct conf_node *list = conf_node_get(node, "devices");
	struct conf_unique *entries = conf_arena_alloc(scratch, decap->n_devices, sizeof(*entries));
	size_t n = 0;

	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < decap->n_devices; i++) {
		struct conf_node *item = conf_node_item(list, i);
		const char *name = decap->devices[i];

		if (!name || !item || item->bad)
			continue;
		entries[n++] = (struct conf_unique) { name, strlen(name), item };
		if (is_dataplane_device(&conf->dataplane, name))
			conf_node_fail(errors, item,
				       "is one of dataplane.devices; a device has one program");
	}
	conf_check_unique(entries, n, "this device is there already:", errors);
	if (n && decap->n_sources == 0 && !conf_node_is_bad(node, "sources"))
		conf_node_fail(errors, list,
			       "needs decap.sources: the addresses of the edges that may send");
	if (n && !decap->ipip && decap->gue_port == 0 && !conf_node_is_bad(node, "ipip"))
		conf_node_fail(errors, list, "has nothing to take out: set ipip or gue_port");
	return 0;
}
