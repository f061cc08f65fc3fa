/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks across the settings of limits, and whether they can be compiled. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "../base/addr.h"
#include "conf_check.h"
#include "conf_errors.h"
#include "limit_compile.h"
#include "sluice/abi/vip.h"

static void check_rate(const struct conf_rate *rate, enum limit_unit unit, struct conf_node *node,
		       struct conf_errors *errors)
{
	struct gcra_rate compiled;

	if (!node || conf_node_is_null(node) || node->kind != CONF_MAP || rate->count == 0 ||
	    conf_node_or(node, "rate")->bad || conf_node_or(node, "burst")->bad)
		return;
	if (conf_rate_compile(rate, &compiled)) {
		conf_node_fail(errors, conf_node_or(node, "burst"),
			       "the bucket would take over 52 days to refill; lower the burst or "
			       "raise the rate");
		return;
	}
	/* Each decision is rounded up; for single units that cheap it would change the rate. */
	if (unit != LIMIT_BYTES && compiled.shift != 0)
		conf_node_fail(errors, conf_node_or(node, "rate"),
			       "too fast to meter within 0.1 %%; at most 250000000/s");
}

/* Whether any of the three is given in node. */
static bool check_units(const struct conf_rate *rates, struct conf_node *node,
			struct conf_errors *errors)
{
	static const char *const names[LIMIT_UNITS] = { "packets", "bytes", "connections" };
	bool any = false;

	for (int unit = 0; unit < LIMIT_UNITS; unit++) {
		struct conf_node *given = conf_node_get(node, names[unit]);

		any = any || (given && !conf_node_is_null(given));
		check_rate(&rates[unit], (enum limit_unit)unit, given, errors);
	}
	return any;
}

static void check_all_units(const struct conf_limit *limit, struct conf_node *node,
			    struct conf_errors *errors)
{
	struct conf_node *total = conf_node_get(node, "total");
	bool any = check_units(limit->unit, node, errors), any_total = false;

	if (total && !conf_node_is_null(total) && total->kind == CONF_MAP) {
		any_total = check_units(limit->total, total, errors);
		if (!any_total)
			conf_node_fail(errors, total,
				       "limits nothing; give packets, bytes or connections");
	}
	if (!any && !any_total && !limit->concurrent && node->kind == CONF_MAP &&
	    !(total && total->bad) && !conf_node_or(node, "concurrent")->bad)
		conf_node_fail(errors, node,
			       "limits nothing; give packets, bytes or connections, concurrent, or "
			       "a total");
}

/* Only of their own limit: two limits may share a prefix, unless they are for the same traffic. */
static int check_sources(const struct conf_limit *limit, struct conf_node *node,
			 struct conf_arena *scratch, struct conf_errors *errors)
{
	struct conf_node *list = conf_node_get(node, "sources");
	struct conf_unique *entries = conf_arena_alloc(scratch, limit->n_sources, sizeof(*entries));

	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < limit->n_sources; i++) {
		const struct prefix *p = &limit->sources[i];
		struct conf_node *item = conf_node_item(list, i);

		entries[i] = (struct conf_unique) { p, sizeof(*p), item };
	}
	conf_check_prefix_lengths(limit->sources, limit->n_sources, list, errors);
	conf_check_unique(entries, limit->n_sources, "this prefix is there already:", errors);
	return 0;
}

static void refuse(struct conf_errors *errors, struct conf_node *node, const char *key,
		   const char *why)
{
	struct conf_node *given = conf_node_get(node, key);

	if (given && !conf_node_is_null(given) && !given->bad)
		conf_node_fail_key(errors, given, "%s", why);
}

/* One way of naming the destination, or the kind. */
static void check_selectors(const struct conf *conf, const struct conf_limit *limit,
			    struct conf_node *node, struct conf_errors *errors)
{
	enum limit_selector selector = limit_compile_selector(conf, limit);
	/* What selects nothing does no harm: a dump has all settings. */
	const struct {
		const char *key;
		bool selects;
	} all[] = { { "sources", limit->n_sources }, { "countries", limit->n_countries },
		    { "asns", limit->n_asns },	     { "vips", limit->n_vips },
		    { "protocol", limit->protocol }, { "ports", limit->n_ports } };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && selector == LIMIT_OF_KIND; i++) {
		if (all[i].selects)
			refuse(errors, node, all[i].key,
			       "a limit of a kind has no other selector; leave one of them out");
	}
	if (selector == LIMIT_TO_VIP && limit->protocol)
		refuse(errors, node, "protocol",
		       "a vip has a protocol of its own; leave this or the vips out");
	if (selector == LIMIT_TO_VIP && limit->n_ports)
		refuse(errors, node, "ports",
		       "a vip has a port of its own; leave this or the vips out");
	else if (limit->n_ports && !limit->protocol && selector != LIMIT_OF_KIND)
		refuse(errors, node, "ports", "needs a protocol; give protocol: tcp or udp");
}

/* The first of the limit's vips whose connections pass this host without being counted; NULL: none. */
static const struct conf_vip *uncounted_vip(const struct conf *conf, const struct conf_limit *limit)
{
	for (size_t i = 0; i < conf->n_vips; i++) {
		const struct conf_vip *vip = &conf->vips[i];
		bool is_of = vip->limit && limit->name && !strcmp(vip->limit, limit->name);

		for (size_t j = 0; j < limit->n_vips && !is_of; j++)
			is_of = vip->name && !strcmp(limit->vips[j], vip->name);
		if (is_of && (vip->mode != BACKEND_NAT || vip->protocol != IPPROTO_TCP))
			return vip;
	}
	return NULL;
}

/* Connections are of TCP, come in, and end here or are translated. */
static void check_concurrent(const struct conf *conf, const struct conf_limit *limit,
			     struct conf_node *node, struct conf_errors *errors)
{
	const struct conf_vip *vip;

	if (!limit->concurrent)
		return;
	if (limit->direction == CONF_EGRESS)
		refuse(errors, node, "concurrent",
		       "counts connections that come in; a limit of direction egress has none");
	else if (limit->protocol == IPPROTO_UDP)
		refuse(errors, node, "concurrent",
		       "counts TCP connections; a limit of protocol udp has none");
	else if (limit->kind)
		refuse(errors, node, "concurrent",
		       "counts TCP connections; a limit of a kind has none");
	else if ((vip = uncounted_vip(conf, limit)) && vip->mode != BACKEND_NAT)
		refuse(errors, node, "concurrent",
		       "counts connections to listeners of this host and those that mode nat "
		       "translates; those to a vip of another mode end at its backends");
	else if (vip)
		refuse(errors, node, "concurrent",
		       "counts TCP connections; a vip of protocol udp has none");
}

/* What goes out has no kind, and what a vip's backends answer does not pass this host. */
static void check_direction(const struct conf_limit *limit, struct conf_node *node,
			    struct conf_errors *errors)
{
	if (limit->direction != CONF_EGRESS)
		return;
	if (limit->n_vips)
		refuse(errors, node, "vips",
		       "what the backends of a vip send goes to clients directly and never passes "
		       "this host: a limit of direction egress cannot name vips");
	if (limit->kind)
		refuse(errors, node, "kind",
		       "a limit of direction egress has no kind; name a protocol or sources");
}

static void check_one_of_kind(const struct conf *conf, size_t i, struct conf_node *list,
			      struct conf_errors *errors)
{
	for (size_t j = 0; conf->limits[i].kind && j < i; j++) {
		if (conf->limits[j].kind != conf->limits[i].kind)
			continue;
		conf_node_fail(errors, conf_node_or(conf_node_item(list, i), "kind"),
			       "limit %s is of this kind already", conf->limits[j].name);
		return;
	}
}

/* A vip's limit that has other selectors: the other end of check_selectors. */
static void check_vip_limits(const struct conf *conf, struct conf_node *root,
			     struct conf_errors *errors)
{
	struct conf_node *vips = conf_node_get(root, "vips");

	for (size_t i = 0; i < conf->n_vips; i++) {
		const struct conf_limit *limit =
			conf->vips[i].limit ? conf_limit(conf, conf->vips[i].limit) : NULL;
		struct conf_node *node = conf_node_get(conf_node_item(vips, i), "limit");

		if (limit && limit->direction == CONF_EGRESS && node && !node->bad)
			conf_node_fail(errors, node,
				       "limit %s is of direction egress; what a vip's backends "
				       "send does not pass this host",
				       limit->name);
		else if (limit && limit->kind && node && !node->bad)
			conf_node_fail(errors, node,
				       "limit %s is of a kind; it cannot be of a vip as well",
				       limit->name);
	}
}

static void check_rows(const struct conf *conf, struct conf_node *root, struct conf_errors *errors)
{
	struct conf_node *list = conf_node_get(root, "limits"), *last = NULL;
	uint64_t cells = 0;

	for (size_t i = 0; i < conf->n_limits; i++) {
		const struct conf_limit *limit = &conf->limits[i];
		struct conf_node *rows = conf_node_or(conf_node_item(list, i), "rows");

		if (limit->rows & (limit->rows - 1) && !rows->bad)
			conf_node_fail(errors, rows, "%u is not a power of two; give e.g. %u",
				       limit->rows, 1U << (32 - __builtin_clz(limit->rows)));
		if (limit_compile_selector(conf, limit) == LIMIT_TO_NOTHING)
			continue;
		cells += 2ULL * limit->rows;
		last = rows;
	}
	if (last && cells > conf->dataplane.limit_rows)
		conf_node_fail(errors, list,
			       "limits need %llu cells, dataplane.limit_rows has %u; raise it, or "
			       "lower the rows of limits",
			       (unsigned long long)cells, conf->dataplane.limit_rows);
}

/* Places without a database would be nobody's. */
static void check_places(const struct conf *conf, struct conf_node *root,
			 struct conf_errors *errors)
{
	static const char *const no_country = "needs a database; name one in geoip.country",
				 *const no_asn = "needs a database; name one in geoip.asn";
	const struct conf_geoip *geoip = &conf->geoip;

	for (size_t i = 0; i < conf->n_limits; i++) {
		struct conf_node *node = conf_node_item(conf_node_get(root, "limits"), i);

		if (conf->limits[i].n_countries && !geoip->country)
			refuse(errors, node, "countries", no_country);
		if (conf->limits[i].n_asns && !geoip->asn)
			refuse(errors, node, "asns", no_asn);
	}
	if (conf->acl.n_deny_countries && !geoip->country)
		refuse(errors, conf_node_get(root, "acl"), "deny_countries", no_country);
	if (conf->acl.n_deny_asns && !geoip->asn)
		refuse(errors, conf_node_get(root, "acl"), "deny_asns", no_asn);
}

static struct conf_node *source_node(struct conf_node *list, size_t limit, size_t source)
{
	struct conf_node *node = conf_node_item(list, limit);
	struct conf_node *item = conf_node_item(conf_node_get(node, "sources"), source);

	return item ? item : node;
}

static int check_compiled(const struct conf *conf, struct conf_node *root,
			  struct conf_errors *errors)
{
	struct conf_node *list = conf_node_get(root, "limits"), *node, *other;
	struct limit_compiled *compiled = NULL;
	struct limit_fault fault;
	struct errmsg why;
	char path[128];
	int err = limit_compile(conf, &compiled, &fault, &why);

	limit_compile_free(compiled);
	if (!err || err == -ENOMEM)
		return err;
	node = fault.limit == SIZE_MAX ? list : source_node(list, fault.limit, fault.source);
	if (err != -EEXIST) {
		conf_node_fail(errors, node, "%s", why.text);
		return 0;
	}
	other = source_node(list, fault.other, fault.other_source);
	conf_node_path(other, path, sizeof(path));
	if (other && other->line)
		conf_node_fail(errors, node, "%s: see %s in line %u", why.text, path, other->line);
	else
		conf_node_fail(errors, node, "%s: see %s", why.text, path);
	return 0;
}

int conf_check_limits(const struct conf *conf, struct conf_node *root, struct conf_arena *scratch,
		      struct conf_errors *errors)
{
	struct conf_node *list = conf_node_get(root, "limits");
	int err = 0;

	for (size_t i = 0; i < conf->n_limits && !err; i++) {
		struct conf_node *node = conf_node_item(list, i);

		check_all_units(&conf->limits[i], node, errors);
		check_selectors(conf, &conf->limits[i], node, errors);
		check_direction(&conf->limits[i], node, errors);
		check_concurrent(conf, &conf->limits[i], node, errors);
		check_one_of_kind(conf, i, list, errors);
		err = check_sources(&conf->limits[i], node, scratch, errors);
	}
	if (err)
		return err;
	check_places(conf, root, errors);
	check_vip_limits(conf, root, errors);
	check_rows(conf, root, errors);
	/* What could not be read is not there to be compiled. */
	if (!errors->n)
		err = check_compiled(conf, root, errors);
	return err;
}
