/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of settings. A row says all there is to say about one: where it is in struct conf, what
 * text it takes, its default and bounds, which tier a change of it needs, and what it is for. The
 * parser, the dump, the diff, the JSON Schema and the manual page are loops over rows; nothing else
 * knows a setting by name, the checks across settings (conf_check.c) aside.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/buf.h"
#include "../base/errmsg.h"
#include "conf.h"
#include "conf_arena.h"

struct conf_node;
struct conf_row;

/* How one kind of value is read and written; conf_type.c, conf_type_net.c. */
struct conf_type {
	const char *name;    /* for the manual: "duration" */
	const char *expect;  /* for errors: "a duration; write e.g. 10s or 200ms" */
	const char *pattern; /* of the JSON Schema; NULL: any text */
	bool raw;	     /* a JSON number or boolean where the text is one */
	bool string;	     /* the field is a char *, NULL when it was left out */
	/*
	 * Text (terminated) into the field and, for types with two parts, its companion aux.
	 * 0; -EINVAL or -ERANGE, with why filled where expect does not say it all; -ENOMEM.
	 */
	int (*parse)(const struct conf_row *row, struct str text, void *field, void *aux,
		     struct conf_arena *arena, struct errmsg *why);
	/* The text that parse reads back. 0 or -ENOSPC. A NULL string writes nothing. */
	int (*format)(const struct conf_row *row, const void *field, const void *aux,
		      struct buf *out);
};

extern const struct conf_type conf_type_bool, conf_type_number, conf_type_duration,
	conf_type_duration_opt, conf_type_size, conf_type_rate, conf_type_byte_rate, conf_type_word,
	conf_type_string, conf_type_name, conf_type_path, conf_type_ifname, conf_type_host,
	conf_type_url_path, conf_type_header, conf_type_address, conf_type_address_opt,
	conf_type_address_port, conf_type_prefix, conf_type_ports, conf_type_mac, conf_type_key,
	conf_type_sha256, conf_type_country;
/* conf_type_vip.c */
extern const struct conf_type conf_type_place, conf_type_place_ports;
/* conf_type_health.c */
extern const struct conf_type conf_type_status, conf_type_bytes, conf_type_percent,
	conf_type_target;

/* conf_rows_quic.c */
extern const struct conf_type conf_type_server_id;

/* A word that stands for a number; string settings with a fixed vocabulary leave value alone. */
struct conf_word {
	const char *text;
	uint64_t value;
};

enum conf_shape { CONF_VALUE, CONF_VALUES, CONF_SUB, CONF_SUBS };

enum conf_row_flag {
	CONF_REQUIRED = 1,
	CONF_NULLABLE = 2, /* a map that may be absent: all of its fields are zero then */
	CONF_ORDERED = 4,  /* a list whose order means something */
	CONF_INPUT = 8,	   /* read only: a later row writes the same field, and adds to it */
	CONF_SECRET = 16,  /* never quoted in an error, cut where people read it */
	CONF_FILLED = 32,  /* a list that means nothing when it is empty */
};

struct conf_row {
	const char *name;
	enum conf_shape shape;
	uint8_t flags;	 /* enum conf_row_flag */
	uint8_t tier;	 /* enum conf_tier; 0: that of the map around it */
	uint32_t offset; /* of the field in the struct of the table */
	uint32_t width;	 /* bytes of the field, or of one item of a list */
	uint32_t aux;	 /* offset of the number of items, of the port, of has_mac; or no_aux */
	const struct conf_type *type;	/* of VALUE and VALUES */
	const struct conf_table *table; /* of SUB and SUBS */
	const struct conf_word *words;	/* ends with a NULL text */
	const char *ref;		/* the list at the root that the value names an item of */
	const char *def;      /* as it would be written, lists in YAML; NULL: nothing, zero */
	const char *def_help; /* where the default depends on something else */
	uint64_t min, max;  /* of a number, max of a text's bytes too; 0: what the type can hold */
	uint32_t max_items; /* of a list */
	const char *help;
};

#define CONF_NO_AUX	    UINT32_MAX
#define CONF_TABLE_ROWS_MAX 32

struct conf_table {
	const char *name; /* one of them: "limit" */
	const struct conf_row *rows;
	size_t n;
	size_t bytes;
	const char *shorthand; /* the row that a lone scalar sets; NULL: it has to be a map */
	/* Fill what follows from other settings, once the rows are read. */
	void (*derive)(void *item, const struct conf_node *node);
};

extern const struct conf_table conf_table_root;

/* Tables of the kernel half (conf_rows_kernel.c) and of the gateway (conf_rows_gateway.c, _upstream.c). */
extern const struct conf_table conf_table_dataplane, conf_table_acl, conf_table_geoip,
	conf_table_guard, conf_table_limit, conf_table_response, conf_table_health, conf_table_vip,
	conf_table_decap, conf_table_quic, conf_table_nat;
extern const struct conf_table conf_table_listener, conf_table_cluster, conf_table_route,
	conf_table_plan, conf_table_consumer, conf_table_pushdown;

/* When a guard is on; of a vip too. */
extern const struct conf_word conf_guard_words[];

#define CONF_TABLE(noun, list, type, ...)                                              \
	{                                                                              \
		.name = (noun), .rows = (list), .n = sizeof(list) / sizeof((list)[0]), \
		.bytes = sizeof(type), __VA_ARGS__                                     \
	}

/* Where a field is; for lists the item and the count as well. */
#define CONF_AT(s, field)                                                                    \
	.shape = CONF_VALUE, .offset = offsetof(s, field), .width = sizeof(((s *)0)->field), \
	.aux = CONF_NO_AUX
#define CONF_AT2(s, field, second)                                                           \
	.shape = CONF_VALUE, .offset = offsetof(s, field), .width = sizeof(((s *)0)->field), \
	.aux = offsetof(s, second)
#define CONF_LIST_AT(s, field, count)                                                          \
	.shape = CONF_VALUES, .offset = offsetof(s, field), .width = sizeof(*((s *)0)->field), \
	.aux = offsetof(s, count)
#define CONF_SUB_AT(s, field, t) \
	.shape = CONF_SUB, .offset = offsetof(s, field), .aux = CONF_NO_AUX, .table = (t)
/* A map of the file whose fields are those of the struct around it. */
#define CONF_SUB_FLAT(t) .shape = CONF_SUB, .offset = 0, .aux = CONF_NO_AUX, .table = (t)
#define CONF_SUBS_AT(s, field, count, t)                                                     \
	.shape = CONF_SUBS, .offset = offsetof(s, field), .width = sizeof(*((s *)0)->field), \
	.aux = offsetof(s, count), .table = (t)

static inline void *conf_row_field(const struct conf_row *row, const void *item)
{
	return (char *)item + row->offset;
}

static inline void *conf_row_aux(const struct conf_row *row, const void *item)
{
	return row->aux == CONF_NO_AUX ? NULL : (char *)item + row->aux;
}

/* Items of a list. */
static inline void *conf_row_items(const struct conf_row *row, const void *item)
{
	return *(void **)conf_row_field(row, item);
}

static inline size_t conf_row_count(const struct conf_row *row, const void *item)
{
	return *(size_t *)conf_row_aux(row, item);
}

static inline void *conf_row_item(const struct conf_row *row, const void *item, size_t i)
{
	return (char *)conf_row_items(row, item) + i * row->width;
}

/* NULL: no row has that name. */
const struct conf_row *conf_row_find(const struct conf_table *table, const char *name);
/* The row whose name is nearest to what was written; NULL: none is near. */
const struct conf_row *conf_row_nearest(const struct conf_table *table, const char *name);
/* True where every field of the map is zero: as if it had not been written. */
bool conf_row_is_zero(const struct conf_table *table, const void *item);
/* The first row, when it is the name of the items. */
const struct conf_row *conf_row_name(const struct conf_table *table);
/* True for a value that was left out: a string that is NULL, a MAC address without has_mac. */
bool conf_row_is_unset(const struct conf_row *row, const void *item);
