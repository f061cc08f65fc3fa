/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a file says before anybody knows what it means: a tree of scalars, lists and maps, each with
 * its place. Made from YAML or JSON, read by conf_decode and by the checks that need a line.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf.h"
#include "conf_arena.h"

#define CONF_NODE_DEPTH_MAX 16
#define CONF_NODES_MAX	    (1U << 20)

enum conf_node_kind { CONF_SCALAR, CONF_LIST, CONF_MAP };

struct conf_node {
	enum conf_node_kind kind;
	bool plain;		       /* a scalar without quotes */
	bool bad;		       /* an error names it: checks that build on it are skipped */
	uint32_t line, column;	       /* from 1; 0: not from a file */
	uint32_t key_line, key_column; /* of the key in front of it */
	uint32_t n;		       /* items of a list or map */
	uint32_t index;		       /* in the list that holds it */
	struct str text;	       /* of a scalar; terminated */
	const char *key; /* in the map that holds it; NULL in lists and for the root */
	struct conf_node *parent;
	struct conf_node **items;
	struct conf_node *next; /* while the tree is built */
};

/* Builds a tree from the outside in. */
struct conf_node_build {
	struct conf_arena *arena;
	struct conf_node *root;
	struct conf_node *open; /* the list or map that takes the next node; NULL: none */
	struct conf_node *last; /* of open's children so far */
	const char *key;	/* of the next node, when open is a map */
	uint32_t key_line, key_column;
	uint32_t nodes, depth;
};

/*
 * Add a node where the build stands; a list or map becomes open. *ret may be NULL.
 * -E2BIG: too many nodes; -ELOOP: nested too deeply; -ENOMEM.
 */
int conf_node_add(struct conf_node_build *b, enum conf_node_kind kind, struct conf_node **ret);
/* Close the list or map that is open. -ENOMEM. */
int conf_node_close(struct conf_node_build *b);

/*
 * Read YAML into *ret (an empty map for an empty file). 0; -EINVAL with errors added; -ENOMEM.
 * The nodes live in arena.
 */
int conf_yaml_read(const char *text, size_t len, struct conf_arena *arena,
		   struct conf_errors *errors, struct conf_node **ret);
/* The same from a JSON tree; nodes have no line. -EINVAL, -ENOMEM. */
int conf_json_read(const json_t *json, struct conf_arena *arena, struct conf_errors *errors,
		   struct conf_node **ret);

/* Null, or a plain scalar that YAML reads as null: as good as not written. */
bool conf_node_is_null(const struct conf_node *node);
/* NULL when node is NULL, is no map or has no such key. */
struct conf_node *conf_node_get(const struct conf_node *node, const char *key);
/* NULL when node is NULL, is no list or is shorter. */
struct conf_node *conf_node_item(const struct conf_node *node, size_t i);
/* The setting itself where it was written, else what holds it. */
struct conf_node *conf_node_or(struct conf_node *node, const char *key);
/* It was written, and an error names it. */
bool conf_node_is_bad(const struct conf_node *node, const char *key);
/* Where the setting was written; 0:0 where it was not. */
struct conf_place conf_node_place(const struct conf_node *node, const char *key);

/* "limits[web].packets.rate": items by name where they have one, else by index. Cut to fit. */
void conf_node_path(const struct conf_node *node, char *path, size_t path_bytes);

/*
 * Report what is wrong with a node: its path, then the text. Marks it bad. Returns -EINVAL, so that
 * callers can write return conf_node_fail().
 */
int conf_node_fail(struct conf_errors *errors, struct conf_node *node, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same for what is wrong with its being there at all: the place is the key's. */
int conf_node_fail_key(struct conf_errors *errors, struct conf_node *node, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
