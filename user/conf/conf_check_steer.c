/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks across `steer` of all listeners. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "../base/addr.h"
#include "conf_check.h"
#include "conf_errors.h"
#include "steer_compile.h"
#include "vip_place.h"

/* A local route of a prefix this short would take what this host has to reach away from it. */
#define V4_BITS_MIN (ADDR_V4_BITS + 8)
#define V6_BITS_MIN 16

struct check {
	struct conf_node *listeners;
	struct conf_errors *errors;
};

static struct conf_node *row_node(const struct check *c, size_t listener, size_t row)
{
	return conf_node_item(conf_node_get(conf_node_item(c->listeners, listener), "steer"), row);
}

static void on_fault(const struct steer_fault *f, void *ctx)
{
	const struct check *c = ctx;
	struct conf_node *node = row_node(c, f->listener, f->row), *other;
	char path[128] = "agent.internal";

	switch (f->kind) {
	case STEER_FAULT_SAME:
		other = row_node(c, f->other, f->other_row);
		conf_node_path(other, path, sizeof(path));
		conf_node_fail(c->errors, node,
			       "%s has the same prefix and some of these ports (line %u): one of "
			       "the two ranges has to be inside the other",
			       path, other->line);
		break;
	case STEER_FAULT_BOUND:
		if (f->other != SIZE_MAX)
			conf_node_path(conf_node_item(c->listeners, f->other), path, sizeof(path));
		conf_node_fail(c->errors, node,
			       "%s is bound to just this address and port; leave one out", path);
		break;
	case STEER_FAULT_RANGES:
		conf_node_fail(c->errors, node,
			       "over %d ranges of ports meet in this prefix, with those of the "
			       "prefixes around it; merge some",
			       STEER_RANGES_MAX);
		break;
	case STEER_FAULT_PREFIXES:
		conf_node_fail(c->errors, c->listeners,
			       "steer over %d prefixes, with the addresses of listeners inside of "
			       "them; merge some",
			       STEER_PREFIXES_MAX);
		break;
	}
}

static void check_prefix(const struct conf_listener *l, const struct conf_steer *s,
			 struct conf_node *node, struct conf_errors *errors)
{
	const bool v4 = steer_compile_is_v4(&s->prefix);

	if (v4 != addr_is_v4(&l->address))
		conf_node_fail(errors, node,
			       "is of another family than the listener's address, whose sockets "
			       "take %s only; give it to a listener at %s",
			       v4 ? "IPv6" : "IPv4", v4 ? "an IPv4 address" : "an IPv6 address");
	else if (v4 ? s->prefix.addr.b[12] >= 224 : s->prefix.addr.b[0] == 0xff)
		conf_node_fail(errors, node, "has no addresses that TCP connects to");
	else if (!steer_compile_is_all(&s->prefix) &&
		 s->prefix.len_bits < (v4 ? V4_BITS_MIN : V6_BITS_MIN))
		conf_node_fail(errors, node,
			       "is too wide: all of it would become local to this host; give at "
			       "least a %s, or %s for the addresses that the host has anyway",
			       v4 ? "/8" : "/16", v4 ? "0.0.0.0/0" : "::/0");
}

/* Is all of what is steered the vip's? */
static bool is_taken(const struct conf_vip *v, const struct conf_steer *s)
{
	return vip_place_prefix(v).len_bits <= s->prefix.len_bits &&
	       vip_place_covers(v, &s->prefix.addr, s->ports.first) &&
	       vip_place_covers(v, &s->prefix.addr, s->ports.last);
}

/* XDP takes the packets of a vip long before a socket: one inside of what is steered wins. */
static void check_vips(const struct conf *conf, const struct conf_steer *s, struct conf_node *node,
		       struct conf_errors *errors)
{
	for (size_t i = 0; i < conf->n_vips; i++) {
		const struct conf_vip *v = &conf->vips[i];

		if (v->protocol != IPPROTO_TCP || !v->name || !is_taken(v, s))
			continue;
		conf_node_fail(errors, node,
			       "vip %s has this address and port: the kernel would take every "
			       "connection; leave one out",
			       v->name);
		return;
	}
}

/* True where the row can be compiled. */
static bool check_row(const struct conf *conf, const struct conf_listener *l, size_t k,
		      struct conf_node *node, struct conf_errors *errors)
{
	const struct conf_steer *s = &l->steer[k];
	struct conf_node *prefix = conf_node_or(node, "prefix");

	if (!node || node->bad || conf_node_is_bad(node, "prefix") ||
	    conf_node_is_bad(node, "ports") ||
	    (node->kind == CONF_MAP && !conf_node_get(node, "prefix")))
		return false;
	if (s->protocol == IPPROTO_UDP)
		conf_node_fail(errors, conf_node_or(node, "protocol"),
			       "is udp, which listeners do not speak: only TCP can be steered; "
			       "leave it out");
	check_prefix(l, s, prefix, errors);
	if (!prefix->bad)
		check_vips(conf, s, prefix, errors);
	return !prefix->bad;
}

int conf_check_steer(const struct conf *conf, struct conf_node *root, struct conf_errors *errors)
{
	struct check c = { conf_node_get(root, "listeners"), errors };
	struct steer_compiled compiled;
	bool good = true, any = false;
	int err;

	for (size_t i = 0; i < conf->n_listeners; i++) {
		const struct conf_listener *l = &conf->listeners[i];
		struct conf_node *node = conf_node_item(c.listeners, i);

		/* what they are compared with */
		good &= !conf_node_is_bad(node, "address") && !conf_node_is_bad(node, "port");
		for (size_t k = 0; k < l->n_steer; k++)
			good &= check_row(conf, l, k, row_node(&c, i, k), errors);
		if (l->n_steer && !conf->dataplane.enabled && !any)
			conf_node_fail(errors, conf_node_get(node, "steer"),
				       "needs the kernel half; set dataplane.enabled: true (no "
				       "device is needed for it)");
		any |= l->n_steer > 0;
	}
	if (!any || !good)
		return 0;
	err = steer_compile(conf, &compiled, on_fault, &c);
	if (!err)
		steer_compiled_clear(&compiled);
	return err == -ENOMEM ? err : 0;
}
