/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A database is a binary tree over the bits of an address, whose leaves are offsets of records
 * (maxmind.github.io/MaxMind-DB). IPv4 is below ::/96; further ways to the same subtree, 2002::/16
 * and such, are left out: those are not the addresses that packets come from.
 */
#include "geoip.h"

#include <errno.h>
#include <maxminddb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "feed_file.h"
#include "net/ipc.h"

#define UNIT_BITS_V6 64
#define BITS	     128

struct walk {
	MMDB_s db;
	const struct geoip_want *want;
	struct acl_feed *feed;
	struct addr at;	    /* bits of the way here */
	uint32_t left;	    /* nodes that may still be visited: a tree visits each once */
	uint32_t v4_node;   /* of ::/96; UINT32_MAX: the tree is of IPv4 alone */
	uint32_t last_data; /* neighbours often share a record */
	bool last_wanted;
};

static bool wanted(struct walk *w, MMDB_entry_s *entry)
{
	MMDB_entry_data_s data;
	size_t i;

	if (w->want->n_countries) {
		if (MMDB_get_value(entry, &data, "country", "iso_code", NULL) || !data.has_data ||
		    data.type != MMDB_DATA_TYPE_UTF8_STRING)
			return false;
		for (i = 0; i < w->want->n_countries; i++)
			if (data.data_size == strlen(w->want->countries[i]) &&
			    !memcmp(data.utf8_string, w->want->countries[i], data.data_size))
				return true;
		return false;
	}
	if (MMDB_get_value(entry, &data, "autonomous_system_number", NULL) || !data.has_data ||
	    data.type != MMDB_DATA_TYPE_UINT32)
		return false;
	for (i = 0; i < w->want->n_asns; i++)
		if (data.uint32 == w->want->asns[i])
			return true;
	return false;
}

/* In IPv4 trees the way has 32 bits, and stands behind ::ffff:0:0/96. */
static int found(struct walk *w, uint32_t depth, bool v4)
{
	struct prefix p = { .len_bits = depth };

	if (!v4 && depth > UNIT_BITS_V6)
		p.len_bits = UNIT_BITS_V6;
	p.addr = addr_mask(&w->at, p.len_bits);
	if (v4)
		p.addr.b[10] = p.addr.b[11] = 0xff;
	/* several of one /64 come one after the other */
	if (w->feed->n && !memcmp(&w->feed->v[w->feed->n - 1], &p, sizeof(p)))
		return 0;
	return acl_feed_push(w->feed, &p);
}

static int leaf(struct walk *w, MMDB_entry_s *entry, uint32_t depth, bool v4)
{
	if (entry->offset != w->last_data) {
		w->last_wanted = wanted(w, entry);
		w->last_data = entry->offset;
	}
	return w->last_wanted ? found(w, depth, v4) : 0;
}

static int visit(struct walk *w, uint32_t node, uint32_t depth, bool v4);

static int side(struct walk *w, uint64_t record, uint8_t type, MMDB_entry_s *entry, uint32_t depth,
		bool v4)
{
	if (type == MMDB_RECORD_TYPE_DATA)
		return leaf(w, entry, depth, v4);
	if (type == MMDB_RECORD_TYPE_INVALID)
		return -EUCLEAN;
	return type == MMDB_RECORD_TYPE_SEARCH_NODE ? visit(w, (uint32_t)record, depth, v4) : 0;
}

/* Depth of the recursion: BITS. */
static int visit(struct walk *w, uint32_t node, uint32_t depth, bool v4)
{
	MMDB_search_node_s n;
	int err;

	if (node == w->v4_node) {
		if (depth != ADDR_V4_BITS || w->at.w[0] | w->at.w[1] | w->at.w[2])
			return 0;
		v4 = true;
	}
	if (!w->left-- || depth >= BITS || MMDB_read_node(&w->db, node, &n))
		return -EUCLEAN;
	err = side(w, n.left_record, n.left_record_type, &n.left_record_entry, depth + 1, v4);
	if (err)
		return err;
	w->at.b[depth / 8] |= (uint8_t)(0x80 >> depth % 8);
	err = side(w, n.right_record, n.right_record_type, &n.right_record_entry, depth + 1, v4);
	w->at.b[depth / 8] &= (uint8_t) ~(0x80 >> depth % 8);
	return err;
}

static int walk(struct walk *w)
{
	const bool v6 = w->db.metadata.ip_version == 6;

	w->left = w->db.metadata.node_count;
	w->last_data = UINT32_MAX;
	w->v4_node = UINT32_MAX;
	if (!v6)
		return visit(w, 0, ADDR_V4_BITS, true);
	/* a leaf above ::/96 is no node, and would be one of IPv6 for all of IPv4 */
	if (w->db.ipv4_start_node.netmask == ADDR_V4_BITS &&
	    w->db.ipv4_start_node.node_value < w->db.metadata.node_count)
		w->v4_node = w->db.ipv4_start_node.node_value;
	if (!w->v4_node) /* the root is below no node */
		return -EUCLEAN;
	return visit(w, 0, 0, false);
}

/* The library maps a file by its name: of one that was cut meanwhile, a read would be a SIGBUS. */
static int copy_of(const char *path, struct errmsg *err)
{
	CLEANUP_FREE char *data = NULL;
	size_t len;
	int fd = feed_file_read(path, GEOIP_MAX_BYTES, &data, &len, err);

	if (fd)
		return fd;
	fd = ipc_blob_new("geoip", data, len);
	return fd < 0 ? errmsg_set(err, fd, "%s: %s", path, strerror(-fd)) : fd;
}

static int collect(const char *path, struct walk *w, struct errmsg *err)
{
	CLEANUP_FD int fd = copy_of(path, err);
	char name[64];
	int status, e;

	if (fd < 0)
		return fd;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	status = MMDB_open(name, MMDB_MODE_MMAP, &w->db);
	if (status != MMDB_SUCCESS)
		return errmsg_set(err, -EUCLEAN, "%s: %s", path, MMDB_strerror(status));
	e = walk(w);
	MMDB_close(&w->db);
	if (e == -EUCLEAN)
		errmsg_set(err, e, "%s: the tree of the database is damaged", path);
	else if (e)
		errmsg_set(err, e, "%s: %s", path,
			   e == -E2BIG ? "too many prefixes" : strerror(-e));
	return e;
}

int geoip_collect(const char *path, const struct geoip_want *want, struct acl_feed *feed,
		  struct errmsg *err)
{
	struct walk w = { .want = want, .feed = feed };

	return collect(path, &w, err);
}

static int collect_of(const struct conf *conf, const struct conf_limit *l, struct acl_feed *feed,
		      struct errmsg *err)
{
	const struct geoip_want countries = { .countries = l->countries,
					      .n_countries = l->n_countries };
	const struct geoip_want asns = { .asns = l->asns, .n_asns = l->n_asns };
	int e = 0;

	for (size_t i = 0; i < l->n_sources && !e; i++)
		e = acl_feed_push(feed, &l->sources[i]);
	if (e)
		return errmsg_set(err, e, "limit %s: too many sources", l->name);
	if (l->n_countries)
		e = geoip_collect(conf->geoip.country, &countries, feed, err);
	if (!e && l->n_asns)
		e = geoip_collect(conf->geoip.asn, &asns, feed, err);
	return e;
}

bool geoip_is_used(const struct conf *conf)
{
	for (size_t i = 0; i < conf->n_limits; i++)
		if (conf->limits[i].n_countries || conf->limits[i].n_asns)
			return true;
	return false;
}

int geoip_expand(const struct conf *conf, struct conf **ret, struct errmsg *err)
{
	struct conf *copy;
	int e = 0;

	*ret = NULL;
	if (!geoip_is_used(conf))
		return 0;
	copy = malloc(sizeof(*copy));
	if (copy)
		*copy = *conf;
	if (copy)
		copy->limits = calloc(conf->n_limits, sizeof(*copy->limits));
	if (!copy || !copy->limits) {
		free(copy);
		return -ENOMEM;
	}
	memcpy(copy->limits, conf->limits, conf->n_limits * sizeof(*copy->limits));
	for (size_t i = 0; i < conf->n_limits; i++)
		copy->limits[i].sources = NULL;
	for (size_t i = 0; i < conf->n_limits && !e; i++) {
		struct acl_feed feed = { 0 };

		e = collect_of(conf, &conf->limits[i], &feed, err);
		copy->limits[i].sources = feed.v;
		copy->limits[i].n_sources = feed.n;
	}
	if (e)
		geoip_expand_free(copy);
	else
		*ret = copy;
	return e;
}

void geoip_expand_free(struct conf *expanded)
{
	if (!expanded)
		return;
	for (size_t i = 0; i < expanded->n_limits; i++)
		free(expanded->limits[i].sources);
	free(expanded->limits);
	free(expanded);
}
