/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks across the settings of the kernel half. */
#include <errno.h>
#include <string.h>

#include "../base/addr.h"
#include "conf_check.h"
#include "conf_errors.h"
#include "sluice/abi/client.h"

#define KEY_LIFETIME_MIN_MS 60000

static bool is_prime(uint32_t n)
{
	for (uint32_t d = 2; d * d <= n; d++)
		if (n % d == 0)
			return false;
	return n >= 2;
}

void conf_check_ring_size(uint32_t size, struct conf_node *node, struct conf_errors *errors)
{
	if (node && !node->bad && !is_prime(size))
		conf_node_fail(errors, node,
			       "%u is not a prime; Maglev needs one, e.g. 251, 4099 or 65537",
			       size);
}

/* The programs ask for an IPv6 source's /64 (bpf/client.h): what is longer answers nobody. */
void conf_check_prefix_lengths(const struct prefix *prefixes, size_t n, struct conf_node *list,
			       struct conf_errors *errors)
{
	for (size_t i = 0; i < n; i++) {
		struct conf_node *node = conf_node_item(list, i);
		const bool v4 = addr_is_v4(&prefixes[i].addr) && prefixes[i].len_bits >= 96;
		char text[ADDR_TEXT_MAX];
		struct prefix unit = { .len_bits = CLIENT_UNIT_BITS_V6 };

		if (!node || node->bad || v4 || prefixes[i].len_bits <= CLIENT_UNIT_BITS_V6)
			continue;
		unit.addr = addr_mask(&prefixes[i].addr, CLIENT_UNIT_BITS_V6);
		conf_node_fail(errors, node,
			       "would never match: the kernel knows an IPv6 source by its /64; "
			       "write %s",
			       prefix_format(&unit, text));
	}
}

static int check_acl_list(const struct prefix *prefixes, size_t n, uint32_t max,
			  struct conf_node *list, struct conf_arena *scratch,
			  struct conf_errors *errors)
{
	struct conf_unique *entries = conf_arena_alloc(scratch, n, sizeof(*entries));

	if (!entries)
		return -ENOMEM;
	if (n > max)
		conf_node_fail(errors, list, "%zu prefixes; raise dataplane.max_acl (%u)", n, max);
	for (size_t i = 0; i < n; i++)
		entries[i] = (struct conf_unique) { &prefixes[i], sizeof(prefixes[i]),
						    conf_node_item(list, i) };
	conf_check_unique(entries, n, "this prefix is there already:", errors);
	conf_check_prefix_lengths(prefixes, n, list, errors);
	return 0;
}

/* Allow wins: what is in both is never denied, whoever wrote it expected otherwise. */
static int check_acl_both(const struct conf_acl *acl, struct conf_node *node,
			  struct conf_arena *scratch, struct conf_errors *errors)
{
	struct conf_unique *entries =
		conf_arena_alloc(scratch, acl->n_allow + acl->n_deny, sizeof(*entries));
	size_t n = 0;

	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < acl->n_allow; i++)
		entries[n++] =
			(struct conf_unique) { &acl->allow[i], sizeof(acl->allow[i]),
					       conf_node_item(conf_node_get(node, "allow"), i) };
	for (size_t i = 0; i < acl->n_deny; i++)
		entries[n++] =
			(struct conf_unique) { &acl->deny[i], sizeof(acl->deny[i]),
					       conf_node_item(conf_node_get(node, "deny"), i) };
	conf_check_unique(entries, n, "is allowed and denied, and allow wins; remove it or",
			  errors);
	return 0;
}

static int check_acl(const struct conf *conf, struct conf_node *node, struct conf_arena *scratch,
		     struct conf_errors *errors)
{
	const uint32_t max = conf->dataplane.max_acl;
	int err = check_acl_list(conf->acl.allow, conf->acl.n_allow, max,
				 conf_node_get(node, "allow"), scratch, errors);

	if (!err)
		err = check_acl_list(conf->acl.deny, conf->acl.n_deny, max,
				     conf_node_get(node, "deny"), scratch, errors);
	return err ? err : check_acl_both(&conf->acl, node, scratch, errors);
}

/* The one thing that is done without a device. */
static bool steers(const struct conf *conf)
{
	for (size_t i = 0; i < conf->n_listeners; i++)
		if (conf->listeners[i].n_steer)
			return true;
	return false;
}

static int check_devices(const struct conf *conf, struct conf_node *node,
			 struct conf_arena *scratch, struct conf_errors *errors)
{
	const struct conf_dataplane *dataplane = &conf->dataplane;
	struct conf_node *list = conf_node_get(node, "devices");
	struct conf_unique *entries =
		conf_arena_alloc(scratch, dataplane->n_devices, sizeof(*entries));
	size_t n = 0;

	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < dataplane->n_devices; i++) {
		const char *name = dataplane->devices[i].name;

		if (name)
			entries[n++] = (struct conf_unique) {
				name, strlen(name), conf_node_or(conf_node_item(list, i), "name")
			};
	}
	conf_check_unique(entries, n, "this device is there already:", errors);
	if (dataplane->enabled && n == 0 && conf_node_get(node, "enabled") &&
	    !(list && list->bad) && !steers(conf))
		conf_node_fail(errors, conf_node_get(node, "enabled"),
			       "needs a device; give dataplane.devices");
	return 0;
}

/* What is carried over takes seconds: a key that changes all the time would never be alone. */
static void check_key_lifetime(const struct conf_dataplane *conf, struct conf_node *node,
			       struct conf_errors *errors)
{
	if (node && !node->bad && conf->limit_key_lifetime_ms &&
	    conf->limit_key_lifetime_ms < KEY_LIFETIME_MIN_MS)
		conf_node_fail(errors, node, "is less than 1m; 0s keeps the key");
}

static void check_guard(const struct conf_guard *guard, struct conf_node *node,
			struct conf_errors *errors)
{
	struct conf_node *off = conf_node_get(node, "off_per_s");

	if (off && !off->bad && !conf_node_is_bad(node, "on_per_s") &&
	    guard->off_per_s > guard->on_per_s)
		conf_node_fail(errors, off,
			       "%u is over on_per_s (%u); it has to be less or the same",
			       guard->off_per_s, guard->on_per_s);
}

int conf_check_kernel(const struct conf *conf, struct conf_node *root, struct conf_arena *scratch,
		      struct conf_errors *errors)
{
	struct conf_node *dataplane = conf_node_get(root, "dataplane");
	struct conf_node *ring_size = conf_node_get(dataplane, "ring_size");
	int err;

	conf_check_ring_size(conf->dataplane.ring_size, ring_size, errors);
	check_key_lifetime(&conf->dataplane, conf_node_get(dataplane, "limit_key_lifetime"),
			   errors);
	check_guard(&conf->guard, conf_node_get(root, "guard"), errors);
	err = check_devices(conf, dataplane, scratch, errors);
	if (!err)
		err = check_acl(conf, conf_node_get(root, "acl"), scratch, errors);
	if (!err)
		err = conf_check_vips(conf, root, scratch, errors);
	if (!err)
		err = conf_check_decap(conf, root, scratch, errors);
	if (!err)
		err = conf_check_responses(conf, root, scratch, errors);
	/* Last: it looks at vips as well. */
	return err ? err : conf_check_limits(conf, root, scratch, errors);
}
