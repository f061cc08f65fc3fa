/* SPDX-License-Identifier: BSD-2-Clause */
#include "acl_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "feed_file.h"
#include "geoip.h"
#include "net/ipc.h"

#define IMPORTED_NAME "acl-imported.list"
#define HEADER	      "# imported by sluicectl acl import; the agent's own\n"

static char *copy_text(const char *text)
{
	return text ? strdup(text) : NULL;
}

static void *copy_array(const void *from, size_t n, size_t width)
{
	void *copy = calloc(n + 1, width);

	if (copy && n)
		memcpy(copy, from, n * width);
	return copy;
}

static bool copy_acl(const struct conf_acl *from, struct conf_acl *to)
{
	bool ok;

	to->deny_files = copy_array(from->deny_files, from->n_deny_files, sizeof(*to->deny_files));
	to->deny_countries = copy_array(from->deny_countries, from->n_deny_countries,
					sizeof(*to->deny_countries));
	to->deny_asns = copy_array(from->deny_asns, from->n_deny_asns, sizeof(*to->deny_asns));
	ok = to->deny_files && to->deny_countries && to->deny_asns;
	to->n_deny_asns = to->deny_asns ? from->n_deny_asns : 0;
	for (; ok && to->n_deny_files < from->n_deny_files; to->n_deny_files++) {
		const struct conf_acl_file *f = &from->deny_files[to->n_deny_files];
		struct conf_acl_file *copy = &to->deny_files[to->n_deny_files];

		copy->path = copy_text(f->path);
		copy->column = copy_text(f->column);
		ok = copy->path && (copy->column || !f->column);
	}
	for (; ok && to->n_deny_countries < from->n_deny_countries; to->n_deny_countries++) {
		char **copy = &to->deny_countries[to->n_deny_countries];

		*copy = copy_text(from->deny_countries[to->n_deny_countries]);
		ok = *copy;
	}
	return ok;
}

static int imported_path(const struct conf *conf, char **ret)
{
	if (!conf->agent.state_dir)
		return 0;
	return asprintf(ret, "%s/%s", conf->agent.state_dir, IMPORTED_NAME) < 0 ? -ENOMEM : 0;
}

int acl_source_new(const struct conf *conf, struct acl_source **ret)
{
	struct acl_source *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->max = conf->dataplane.max_acl;
	s->geoip.country = copy_text(conf->geoip.country);
	s->geoip.asn = copy_text(conf->geoip.asn);
	if (!copy_acl(&conf->acl, &s->acl) || imported_path(conf, &s->imported)) {
		acl_source_free(s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

void acl_source_free(struct acl_source *s)
{
	if (!s)
		return;
	for (size_t i = 0; s->acl.deny_files && i < s->acl.n_deny_files; i++) {
		free(s->acl.deny_files[i].path);
		free(s->acl.deny_files[i].column);
	}
	for (size_t i = 0; s->acl.deny_countries && i < s->acl.n_deny_countries; i++)
		free(s->acl.deny_countries[i]);
	free(s->acl.deny_files);
	free(s->acl.deny_countries);
	free(s->acl.deny_asns);
	free(s->geoip.country);
	free(s->geoip.asn);
	free(s->imported);
	free(s);
}

/* One list, appended; its errors are told and forgotten, the prefixes of a wrong one left out. */
static int parse(struct acl_feed *feed, const char *name, const char *text, size_t len,
		 enum acl_feed_format format, const char *column, struct buf *lines,
		 struct errmsg *err)
{
	const size_t before = feed->n;
	size_t wrong;
	int e = acl_feed_parse(feed, text, len, format, column);

	if (!e)
		return 0;
	wrong = feed->n_errors;
	(void)acl_feed_errors(feed, name, lines); /* what does not fit is in the count */
	feed->n = before;
	feed->n_errors = 0;
	if (e != -EINVAL)
		return errmsg_set(err, e, "%s: %s", name,
				  e == -E2BIG ? "has too many prefixes" : strerror(-e));
	return errmsg_set(err, e, "%s: %zu lines are wrong (line %u: %s)", name, wrong,
			  feed->error[0].line, feed->error[0].text);
}

static int read_file(struct acl_feed *feed, const struct conf_acl_file *f, struct buf *lines,
		     struct errmsg *err)
{
	CLEANUP_FREE char *text = NULL;
	size_t len;
	int e = feed_file_read(f->path, ACL_FEED_MAX_BYTES, &text, &len, err);

	return e ? e : parse(feed, f->path, text, len, f->format, f->column, lines, err);
}

static int read_stored(const struct acl_source *s, struct acl_feed *feed, struct buf *lines,
		       struct errmsg *err)
{
	const struct conf_acl_file file = { .path = s->imported, .format = ACL_FEED_LINES };
	int e = s->imported ? read_file(feed, &file, lines, err) : 0;

	return e == -ENOENT ? 0 : e;
}

static int read_import(struct acl_feed *feed, const struct acl_import *import, struct buf *lines,
		       struct errmsg *err)
{
	CLEANUP_FREE char *text = NULL;
	size_t len;
	int e = ipc_blob_read(import->fd, ACL_FEED_MAX_BYTES, &text, &len);

	if (e)
		return errmsg_set(err, e, "%s: cannot read what was sent: %s", import->name,
				  strerror(-e));
	return parse(feed, import->name, text, len, import->format,
		     import->column[0] ? import->column : NULL, lines, err);
}

static int by_prefix(const void *a, const void *b)
{
	const struct prefix *x = a, *y = b;
	int order = memcmp(&x->addr, &y->addr, sizeof(x->addr));

	return order ? order : (x->len_bits > y->len_bits) - (x->len_bits < y->len_bits);
}

static void drop_duplicates(struct acl_feed *feed)
{
	size_t n = 0;

	if (feed->n)
		qsort(feed->v, feed->n, sizeof(*feed->v), by_prefix);
	for (size_t i = 0; i < feed->n; i++)
		if (!n || by_prefix(&feed->v[n - 1], &feed->v[i]))
			feed->v[n++] = feed->v[i];
	feed->n = n;
}

/* What the file of the imported has to hold. */
static int write_text(const struct acl_feed *feed, struct acl_denied *ret)
{
	const size_t room = sizeof(HEADER) + feed->n * (ADDR_TEXT_MAX + 1);
	char prefix[ADDR_TEXT_MAX];
	char *text = malloc(room), *at = text;

	if (!text)
		return -ENOMEM;
	at = stpcpy(at, HEADER);
	for (size_t i = 0; i < feed->n; i++) {
		at = stpcpy(at, prefix_format(&feed->v[i], prefix));
		*at++ = '\n';
	}
	ret->text = text;
	ret->text_len = (size_t)(at - text);
	return 0;
}

/* Nothing follows it in feed yet. */
static int read_imported(const struct acl_source *s, const struct acl_import *import,
			 struct acl_feed *feed, struct acl_denied *ret, struct buf *lines,
			 struct errmsg *err)
{
	int e = 0;

	if (!import || !import->replace)
		e = read_stored(s, feed, lines, err);
	if (!e && import)
		e = read_import(feed, import, lines, err);
	if (e || !import) {
		ret->imported = feed->n;
		return e;
	}
	drop_duplicates(feed);
	ret->imported = feed->n;
	return write_text(feed, ret);
}

/* A source that is wrong: *err keeps what was said of the first. */
static int passed(int e, bool skip, const struct errmsg *why, struct errmsg *err)
{
	if (!e || (err->text[0] && skip))
		return skip ? 0 : e;
	*err = *why;
	return skip && e != -ENOMEM ? 0 : e;
}

static int read_places(const struct acl_source *s, struct acl_feed *feed, struct errmsg *err)
{
	const struct geoip_want countries = { .countries = s->acl.deny_countries,
					      .n_countries = s->acl.n_deny_countries };
	const struct geoip_want asns = { .asns = s->acl.deny_asns, .n_asns = s->acl.n_deny_asns };
	int e = 0;

	if (countries.n_countries)
		e = geoip_collect(s->geoip.country, &countries, feed, err);
	if (!e && asns.n_asns)
		e = geoip_collect(s->geoip.asn, &asns, feed, err);
	return e;
}

static int read_all(const struct acl_source *s, const struct acl_import *import, bool skip,
		    struct acl_feed *feed, struct acl_denied *ret, struct buf *lines,
		    struct errmsg *err)
{
	struct errmsg why = { "out of memory" };
	int e = passed(read_imported(s, import, feed, ret, lines, &why), skip, &why, err);

	for (size_t i = 0; !e && i < s->acl.n_deny_files; i++)
		e = passed(read_file(feed, &s->acl.deny_files[i], lines, &why), skip, &why, err);
	return e ? e : passed(read_places(s, feed, &why), skip, &why, err);
}

int acl_source_read(const struct acl_source *s, const struct acl_import *import, bool skip,
		    struct acl_denied *ret, struct buf *lines, struct errmsg *err)
{
	CLEANUP(acl_feed_clear) struct acl_feed feed = { 0 };
	struct acl_denied d = { 0 };
	int e;

	err->text[0] = '\0';
	e = read_all(s, import, skip, &feed, &d, lines, err);
	if (!e)
		e = source_feed_new(feed.v, feed.n, &d.feed);
	if (!e && source_feed_count(d.feed) > s->max)
		e = errmsg_set(err, -ENOSPC, "%zu prefixes to deny; raise dataplane.max_acl (%u)",
			       source_feed_count(d.feed), s->max);
	if (e) {
		acl_denied_clear(&d);
		return err->text[0] ? e : errmsg_set(err, e, "acl: %s", strerror(-e));
	}
	*ret = d;
	return 0;
}

int acl_source_store(const struct acl_source *s, const struct acl_denied *d)
{
	if (!d->text)
		return 0;
	return s->imported ? feed_file_write(s->imported, d->text, d->text_len) : -ENOENT;
}

void acl_denied_clear(struct acl_denied *d)
{
	source_feed_free(d->feed);
	free(d->text);
	*d = (struct acl_denied) { 0 };
}

static void check_file(const struct conf_acl_file *f, size_t i, struct conf_errors *errors)
{
	CLEANUP(acl_feed_clear) struct acl_feed feed = { 0 };
	CLEANUP_FREE char *text = NULL;
	struct errmsg err;
	size_t len, n;

	if (!f->path)
		return;
	if (feed_file_read(f->path, ACL_FEED_MAX_BYTES, &text, &len, &err)) {
		conf_errors_add(errors, f->place.line, f->place.column, "acl.deny_files[%zu]: %s",
				i, err.text);
		return;
	}
	(void)acl_feed_parse(&feed, text, len, f->format, f->column);
	n = feed.n_errors < ACL_FEED_ERRORS_MAX ? feed.n_errors : ACL_FEED_ERRORS_MAX;
	for (size_t e = 0; e < n; e++)
		conf_errors_add(errors, f->place.line, f->place.column,
				"acl.deny_files[%zu]: %s:%u: %s", i, f->path, feed.error[e].line,
				feed.error[e].text);
	if (feed.n_errors > n)
		conf_errors_add(errors, f->place.line, f->place.column,
				"acl.deny_files[%zu]: %s: and %zu lines more that are wrong", i,
				f->path, feed.n_errors - n);
}

void acl_source_check(const struct conf *conf, struct conf_errors *errors)
{
	CLEANUP(acl_feed_clear) struct acl_feed feed = { 0 };
	const struct geoip_want none = { 0 };
	const char *const bases[] = { conf->geoip.country, conf->geoip.asn };
	struct errmsg err;

	for (size_t i = 0; i < conf->acl.n_deny_files; i++)
		check_file(&conf->acl.deny_files[i], i, errors);
	for (size_t i = 0; i < 2; i++)
		if (bases[i] && geoip_collect(bases[i], &none, &feed, &err))
			conf_errors_add(errors, 0, 0, "geoip.%s: %s", i ? "asn" : "country",
					err.text);
}
