/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf.h"

#include <errno.h>
#include <string.h>

#include "../base/cleanup.h"
#include "conf_arena.h"
#include "conf_build.h"
#include "conf_check.h"
#include "conf_decode.h"
#include "conf_errors.h"
#include "conf_names.h"

static void cleanup_conf(struct conf **conf)
{
	conf_free(*conf);
}

static struct conf *conf_new(void)
{
	struct conf *conf = calloc(1, sizeof(*conf));

	if (conf)
		conf->arena = conf_arena_new();
	if (conf && !conf->arena) {
		free(conf);
		return NULL;
	}
	return conf;
}

/* Keys that were read beside it. */
static void wipe_secrets(struct conf *conf)
{
	for (size_t i = 0; conf->vips && i < conf->n_vips; i++) {
		struct conf_vip *v = &conf->vips[i];

		for (size_t j = 0; v->quic && j < v->n_quic; j++)
			explicit_bzero(v->quic[j].secret, sizeof(v->quic[j].secret));
	}
}

void conf_free(struct conf *conf)
{
	if (!conf)
		return;
	wipe_secrets(conf);
	conf_arena_free(conf->arena);
	free(conf);
}

int conf_build(struct conf_node *root, struct conf_arena *scratch,
	       const struct conf_outside *outside, struct conf_errors *errors, struct conf **ret)
{
	struct conf *conf CLEANUP(cleanup_conf) = conf_new();
	int err;

	if (!conf)
		return -ENOMEM;
	err = conf_decode(&conf_table_root, root, conf, conf->arena, errors);
	if (!err)
		err = conf_names_build(conf);
	/* A file that is no map has one error, and nothing to look for more in. */
	if (!err && root->kind == CONF_MAP)
		err = conf_names_check(conf, root, scratch, errors);
	if (!err && root->kind == CONF_MAP)
		err = conf_check(conf, root, scratch, errors);
	if (!err && errors->n && outside)
		outside->check(conf, errors, outside->ctx);
	if (!err && errors->n)
		err = -EINVAL;
	if (!err)
		*ret = take_ptr(&conf);
	return err;
}

int conf_parse(const char *text, size_t len, struct conf **ret, struct conf_errors *errors)
{
	return conf_parse_with(text, len, NULL, ret, errors);
}

int conf_parse_with(const char *text, size_t len, const struct conf_outside *outside,
		    struct conf **ret, struct conf_errors *errors)
{
	struct conf_arena *scratch CLEANUP(conf_arena_cleanup) = conf_arena_new();
	struct conf_node *root;
	int err;

	errors->n = 0;
	errors->suppressed = 0;
	if (!scratch)
		return -ENOMEM;
	err = conf_yaml_read(text, len, scratch, errors, &root);
	if (!err)
		err = conf_build(root, scratch, outside, errors, ret);
	conf_errors_sort(errors);
	return err;
}
