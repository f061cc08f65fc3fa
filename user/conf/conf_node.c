/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf_node.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "../base/cleanup.h"
#include "conf_errors.h"

int conf_node_add(struct conf_node_build *b, enum conf_node_kind kind, struct conf_node **ret)
{
	struct conf_node *node;

	if (b->nodes == CONF_NODES_MAX)
		return -E2BIG;
	if (kind != CONF_SCALAR && b->depth == CONF_NODE_DEPTH_MAX)
		return -ELOOP;
	node = conf_arena_alloc(b->arena, 1, sizeof(*node));
	if (!node)
		return -ENOMEM;
	b->nodes++;
	node->kind = kind;
	node->text = STR_LIT("");
	node->parent = b->open;
	node->key = take_ptr(&b->key);
	node->key_line = b->key_line;
	node->key_column = b->key_column;
	if (!b->open) {
		b->root = node;
	} else {
		node->index = b->open->n++;
		node->next = b->last; /* backwards until the parent is closed */
		b->last = node;
	}
	if (kind != CONF_SCALAR) {
		/* The children so far of the parent wait in the new node's place. */
		b->depth++;
		b->open = node;
		b->last = NULL;
	}
	if (ret)
		*ret = node;
	return 0;
}

int conf_node_close(struct conf_node_build *b)
{
	struct conf_node *node = b->open;
	struct conf_node *child = b->last;

	if (node->n) {
		node->items = conf_arena_alloc(b->arena, node->n, sizeof(*node->items));
		if (!node->items)
			return -ENOMEM;
	}
	for (uint32_t i = node->n; i > 0; i--, child = child->next)
		node->items[i - 1] = child;
	b->depth--;
	b->open = node->parent;
	b->last = node; /* it is its parent's newest child */
	return 0;
}

bool conf_node_is_null(const struct conf_node *node)
{
	return node && node->kind == CONF_SCALAR && node->plain &&
	       (node->text.len == 0 || str_eq(node->text, STR_LIT("null")) ||
		str_eq(node->text, STR_LIT("~")));
}

struct conf_node *conf_node_get(const struct conf_node *node, const char *key)
{
	if (!node || node->kind != CONF_MAP)
		return NULL;
	for (uint32_t i = 0; i < node->n; i++)
		if (strcmp(node->items[i]->key, key) == 0)
			return node->items[i];
	return NULL;
}

struct conf_node *conf_node_item(const struct conf_node *node, size_t i)
{
	return node && node->kind == CONF_LIST && i < node->n ? node->items[i] : NULL;
}

struct conf_node *conf_node_or(struct conf_node *node, const char *key)
{
	struct conf_node *child = conf_node_get(node, key);

	return child ? child : node;
}

bool conf_node_is_bad(const struct conf_node *node, const char *key)
{
	const struct conf_node *child = conf_node_get(node, key);

	return child && child->bad;
}

struct conf_place conf_node_place(const struct conf_node *node, const char *key)
{
	const struct conf_node *child = conf_node_get(node, key);

	return child ? (struct conf_place) { child->line, child->column }
		     : (struct conf_place) { 0, 0 };
}

static size_t path_step(const struct conf_node *node, char *path, size_t path_bytes)
{
	char shown[CONF_ERRORS_SHOW_BYTES];
	struct conf_node *name;
	int n;

	if (node->key) {
		n = snprintf(path, path_bytes, "%s%s", node->parent->parent ? "." : "",
			     conf_errors_show(str_of(node->key), shown));
	} else {
		name = conf_node_get(node, "name");
		if (name && name->kind == CONF_SCALAR && !name->bad && name->text.len > 0)
			n = snprintf(path, path_bytes, "[%s]", conf_errors_show(name->text, shown));
		else
			n = snprintf(path, path_bytes, "[%u]", node->index);
	}
	return n < 0 ? 0 : (size_t)n < path_bytes ? (size_t)n : path_bytes - 1;
}

void conf_node_path(const struct conf_node *node, char *path, size_t path_bytes)
{
	const struct conf_node *steps[CONF_NODE_DEPTH_MAX + 1];
	size_t n = 0, at = 0;

	path[0] = '\0';
	for (; node && node->parent && n <= CONF_NODE_DEPTH_MAX; node = node->parent)
		steps[n++] = node;
	while (n > 0)
		at += path_step(steps[--n], path + at, path_bytes - at);
}

static int fail(struct conf_errors *errors, struct conf_node *node, uint32_t line, uint32_t column,
		const char *fmt, va_list args)
{
	char path[128], text[256];

	node->bad = true;
	if (conf_errors_full(errors)) {
		errors->suppressed++;
		return -EINVAL;
	}
	conf_node_path(node, path, sizeof(path));
	vsnprintf(text, sizeof(text), fmt, args);
	return conf_errors_add(errors, line, column, "%s%s%s", path, path[0] ? ": " : "", text);
}

int conf_node_fail(struct conf_errors *errors, struct conf_node *node, const char *fmt, ...)
{
	va_list args;
	int err;

	va_start(args, fmt);
	err = fail(errors, node, node->line, node->column, fmt, args);
	va_end(args);
	return err;
}

int conf_node_fail_key(struct conf_errors *errors, struct conf_node *node, const char *fmt, ...)
{
	va_list args;
	int err;

	va_start(args, fmt);
	err = fail(errors, node, node->key_line, node->key_column, fmt, args);
	va_end(args);
	return err;
}
