/* SPDX-License-Identifier: BSD-2-Clause */
/* top: who sends most, and whose packets are dropped most, right now. */
#include "dataplane/top_map.h"

#include <errno.h>
#include <string.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/cleanup.h"
#include "dataplane/limit_map.h"
#include "request.h"
#include "sluice/abi/drop_reason.h"

#define ROWS_DEFAULT 20
#define ROWS_MAX     1000

static int parse_table(struct control_request *r, enum top_table *ret)
{
	const char *word = json_string_value(json_object_get(request_set(r), "by"));

	*ret = TOP_DROPS;
	if (!word || !strcmp(word, "drops"))
		return 0;
	*ret = TOP_BYTES;
	if (!strcmp(word, "bytes"))
		return 0;
	return errmsg_set(&r->err, -EINVAL, "by= is drops or bytes, not '%.32s'", word);
}

static json_t *entry_json(struct dataplane *dp, const struct top_entry *e, double all_per_s)
{
#define DROP_LABEL(id, label, doc) label,
	static const char *const labels[] = { DROP_REASONS(DROP_LABEL) };
	const char *limit = limit_map_name(dp, e->limit_class);
	double share = all_per_s > 0 ? e->per_s / all_per_s : 0;
	char text[ADDR_TEXT_MAX];
	json_t *row = json_pack("{s:s,s:f,s:f,s:f}", "source", prefix_format(&e->source, text),
				"per_s", e->per_s, "over_per_s", e->over_per_s, "share",
				share < 1 ? share : 1); /* both are rounded */

	if (e->reason && e->reason < DROP_REASON_COUNT)
		json_object_set_new(row, "reason", json_string(labels[e->reason]));
	if (limit)
		json_object_set_new(row, "limit", json_string(limit));
	return row;
}

int control_top(struct control_request *r)
{
	static const char *const fields[] = { "by", "n", NULL };
	CLEANUP(top_list_clear) struct top_list list = { 0 };
	struct dataplane *dp = request_dataplane(r);
	enum top_table table;
	json_t *sources;
	size_t rows;
	int err;

	if (strcmp(r->verb, "show") != 0)
		return request_no_verb(r);
	if (!dp)
		return -ENODEV;
	err = request_check_set(r, fields);
	if (!err)
		err = parse_table(r, &table);
	if (!err)
		err = request_rows(r, ROWS_DEFAULT, ROWS_MAX, &rows);
	if (!err)
		err = top_map_read(dp, table, clock_now_ns(), &list);
	if (err)
		return err;
	sources = json_array();
	for (size_t i = 0; i < list.n && i < rows; i++)
		json_array_append_new(sources, entry_json(dp, &list.entry[i], list.per_s));
	r->data = json_pack("{s:s,s:s,s:f,s:o}", "by", table == TOP_DROPS ? "drops" : "bytes",
			    "unit", table == TOP_DROPS ? "packets/s" : "bytes/s", "per_s",
			    list.per_s, "sources", sources);
	return r->data ? 0 : -ENOMEM;
}
