/* SPDX-License-Identifier: BSD-2-Clause */
/* acl: allow and deny prefixes, and the list that is imported and read from files. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acl_import.h"
#include "base/addr.h"
#include "dataplane/acl_map.h"
#include "request.h"
#include "sluice/abi/source.h"

#define PAGE_DEFAULT 1000
#define PAGE_MAX     50000 /* rows: some megabytes, and some ten milliseconds of the loop */

static const char *const list_names
	[] = { [ACL_LIST_ALLOW] = "allow", [ACL_LIST_DENY] = "deny", [ACL_LIST_FEED] = "feed" };

/* The prefix that was meant by one whose address has more bits than its length; NULL: who knows. */
static const char *acl_masked(const char *word, char text[ADDR_TEXT_MAX])
{
	const char *slash = strchr(word, '/');
	char address[ADDR_TEXT_MAX];
	struct prefix p;
	int n = snprintf(address, sizeof(address), "%.*s", slash ? (int)(slash - word) : 0, word);

	if (n < 0 || (size_t)n >= sizeof(address) || !slash || addr_parse(address, &p.addr))
		return NULL;
	p.len_bits = (uint32_t)strtoul(slash + 1, NULL, 10);
	if (addr_is_v4(&p.addr))
		p.len_bits += ADDR_V4_BITS;
	if (p.len_bits > 128)
		return NULL;
	p.addr = addr_mask(&p.addr, p.len_bits);
	return prefix_format(&p, text);
}

static int acl_prefix(struct control_request *r, const char *word, struct prefix *ret)
{
	int err = prefix_parse(word, ret);
	char text[ADDR_TEXT_MAX];

	if (err == -ERANGE && acl_masked(word, text))
		return errmsg_set(&r->err, err, "'%.64s' has bits set behind its length: write %s",
				  word, text);
	if (err)
		return errmsg_set(&r->err, err, "'%.64s' is not a prefix: write e.g. 192.0.2.0/24",
				  word);
	return 0;
}

static int acl_change(struct control_request *r)
{
	const char *list = request_arg(r, "list");
	const char *word = request_arg(r, "prefix");
	bool add = !strcmp(r->verb, "add");
	char text[ADDR_TEXT_MAX], what[ADDR_TEXT_MAX + 32];
	struct prefix prefix;
	int err;

	if (!list || !word)
		return -EINVAL;
	if (strcmp(list, "allow") != 0 && strcmp(list, "deny") != 0)
		return errmsg_set(&r->err, -EINVAL, "'%.64s' is not a list: allow or deny", list);
	err = acl_prefix(r, word, &prefix);
	if (err)
		return err;
	prefix_format(&prefix, text);
	snprintf(what, sizeof(what), "deny %s", text);
	if (add && !strcmp(list, "deny"))
		err = request_guard(r, &prefix, what);
	if (!add && !strcmp(list, "allow"))
		err = request_guard_allow(r, &prefix);
	if (err)
		return err;
	return request_edit(r, json_pack("{s:s,s:s,s:s,s:s}", "kind", "acl", "op", r->verb, "list",
					 list, "prefix", text));
}

/* Rows of an answer, up to a number; from a prefix on, if one is given. */
struct page {
	json_t *rows;
	const char *list;
	size_t max;
	size_t more;		  /* that did not fit */
	char next[ADDR_TEXT_MAX]; /* the first of these */
};

static void page_add(struct page *page, const struct prefix *p)
{
	char text[ADDR_TEXT_MAX];

	prefix_format(p, text);
	if (json_array_size(page->rows) >= page->max) {
		if (!page->more++)
			memcpy(page->next, text, sizeof(text));
		return;
	}
	json_array_append_new(page->rows,
			      json_pack("{s:s,s:s}", "list", page->list, "prefix", text));
}

/* What the configuration and operators say, in their order. */
static void page_conf(struct page *page, const char *name, const struct prefix *prefixes, size_t n,
		      const struct prefix *from)
{
	size_t i = 0;

	page->list = name;
	while (from && i < n && memcmp(&prefixes[i], from, sizeof(*from)) != 0)
		i++;
	for (; i < n; i++)
		page_add(page, &prefixes[i]);
}

static int page_feed_one(const struct prefix *p, enum acl_origin origin, void *ctx)
{
	struct page *page = ctx;

	(void)origin;
	page_add(page, p);
	return page->more > 0; /* the others are only counted */
}

static void page_feed(struct page *page, struct dataplane *dp, const struct prefix *from)
{
	page->list = "feed";
	if (dp)
		(void)acl_map_each(dp, ACL_LIST_FEED, from, page_feed_one, page);
}

static int page_open(struct control_request *r, struct page *page, struct prefix *from,
		     bool *has_from)
{
	static const char *const fields[] = { "from", "max", NULL };
	json_t *set = request_set(r);
	const char *word = json_string_value(json_object_get(set, "from"));
	const char *max = json_string_value(json_object_get(set, "max"));
	char *end = NULL;
	int err = request_check_set(r, fields);

	*has_from = word;
	if (!err && word)
		err = acl_prefix(r, word, from);
	if (err)
		return err;
	page->max = max ? strtoul(max, &end, 10) : PAGE_DEFAULT;
	if (page->max < 1 || page->max > PAGE_MAX || (end && *end))
		return errmsg_set(&r->err, -EINVAL, "max is a number from 1 to %d", PAGE_MAX);
	page->rows = json_array();
	return page->rows ? 0 : -ENOMEM;
}

static int acl_list(struct control_request *r)
{
	const struct conf_acl *acl = &supervisor_conf(r->s)->acl;
	struct dataplane *dp = supervisor_dataplane(r->s, NULL);
	const char *list = request_arg_opt(r, "list");
	struct page page = { 0 };
	struct prefix from;
	bool has_from, known = !list;
	size_t fed = dp ? acl_map_count(dp, ACL_LIST_FEED) : 0;
	int err;

	for (size_t i = 0; list && i < sizeof(list_names) / sizeof(list_names[0]); i++)
		known = known || !strcmp(list, list_names[i]);
	if (!known)
		return errmsg_set(&r->err, -EINVAL, "'%.64s' is not a list: allow, deny or feed",
				  list);
	err = page_open(r, &page, &from, &has_from);
	if (err)
		return err;
	if (!list || !strcmp(list, "allow"))
		page_conf(&page, "allow", acl->allow, acl->n_allow, has_from ? &from : NULL);
	if (!list || !strcmp(list, "deny"))
		page_conf(&page, "deny", acl->deny, acl->n_deny, has_from ? &from : NULL);
	if (list && !strcmp(list, "feed"))
		page_feed(&page, dp, has_from ? &from : NULL);
	r->data = page.rows;
	if (page.more)
		snprintf(r->text, sizeof(r->text), "there are more: sluicectl acl list %s from=%s",
			 page.list, page.next);
	else if (!list && fed)
		snprintf(r->text, sizeof(r->text),
			 "and %zu imported, of files and of places: sluicectl acl list feed", fed);
	return 0;
}

/* What the lists come to for an address, and by which of their prefixes. */
static int acl_test(struct control_request *r)
{
	static const char *const answers[] = { "not in a list", "allowed", "denied" };
	struct dataplane *dp = request_dataplane(r);
	const char *word = request_arg(r, "address");
	char text[ADDR_TEXT_MAX];
	struct prefix found;
	struct addr a;
	json_t *by;
	int says = 0;

	if (!dp || !word)
		return -EINVAL;
	if (addr_parse(word, &a))
		return errmsg_set(&r->err, -EINVAL, "'%.64s' is not an address", word);
	by = json_array();
	for (int list = ACL_LIST_ALLOW; list <= ACL_LIST_FEED; list++) {
		if (acl_map_find(dp, (enum acl_list)list, &a, &found))
			continue;
		says = says ? says : list == ACL_LIST_ALLOW ? 1 : 2;
		json_array_append_new(by, json_pack("{s:s,s:s}", "list", list_names[list], "prefix",
						    prefix_format(&found, text)));
	}
	r->data = json_pack("{s:s,s:s,s:o}", "address", addr_format(&a, text), "answer",
			    answers[says], "by", by);
	snprintf(r->text, sizeof(r->text), "%s", answers[says]);
	return r->data ? 0 : -ENOMEM;
}

int control_acl(struct control_request *r)
{
	if (!strcmp(r->verb, "list"))
		return acl_list(r);
	if (!strcmp(r->verb, "test"))
		return acl_test(r);
	if (!strcmp(r->verb, "import"))
		return acl_import_start(r);
	if (!strcmp(r->verb, "add") || !strcmp(r->verb, "del"))
		return acl_change(r);
	return request_no_verb(r);
}
