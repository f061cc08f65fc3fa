/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks across the settings of responses. */
#include <errno.h>
#include <netinet/in.h>

#include "../base/addr.h"
#include "conf_check.h"
#include "conf_errors.h"
#include "sluice/abi/response.h"
#include "vip_place.h"

static void check_address(const struct conf_response *r, struct conf_node *node,
			  struct conf_errors *errors)
{
	const char *wrong = node && !node->bad ? conf_check_unroutable(&r->address) : NULL;

	if (wrong)
		conf_node_fail(errors, node,
			       "is %s; give the address that clients are answered from", wrong);
}

/* What a vip's backends answer goes by another way: a promise about it could not be kept. */
static void check_not_vip(const struct conf *conf, const struct conf_response *r,
			  struct conf_node *node, struct conf_errors *errors)
{
	for (size_t i = 0; node && !node->bad && i < conf->n_vips; i++) {
		const struct conf_vip *v = &conf->vips[i];

		if (v->protocol != IPPROTO_UDP || !v->name ||
		    !vip_place_covers(v, &r->address, r->port))
			continue;
		conf_node_fail(errors, node,
			       "this is vip %s, whose backends answer clients directly: what they "
			       "send does not pass this host and cannot be bounded by it",
			       v->name);
		return;
	}
}

int conf_check_responses(const struct conf *conf, struct conf_node *root,
			 struct conf_arena *scratch, struct conf_errors *errors)
{
	struct conf_node *list = conf_node_get(root, "responses");
	struct conf_unique *entries =
		conf_arena_alloc(scratch, conf->n_responses, sizeof(*entries));
	struct response_key *keys = conf_arena_alloc(scratch, conf->n_responses, sizeof(*keys));
	size_t n = 0;

	if (!entries || !keys)
		return -ENOMEM;
	for (size_t i = 0; i < conf->n_responses; i++) {
		const struct conf_response *r = &conf->responses[i];
		struct conf_node *address = conf_node_get(conf_node_item(list, i), "address");

		check_address(r, address, errors);
		check_not_vip(conf, r, address, errors);
		/* the parts as numbers: only compared */
		keys[i] = (struct response_key) { .address = r->address, .port = r->port };
		if (address && r->port)
			entries[n++] = (struct conf_unique) { &keys[i], sizeof(keys[i]), address };
	}
	conf_check_unique(entries, n, "another response has this address and port:", errors);
	return 0;
}
