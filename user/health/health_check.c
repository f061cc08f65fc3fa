/* SPDX-License-Identifier: BSD-2-Clause */
/* From settings to what a probe needs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "health_probe.h"

static int copy_text(const char *from, char **ret)
{
	*ret = from ? strdup(from) : NULL;
	return from && !*ret ? -ENOMEM : 0;
}

static int copy_bytes(const char *from, uint8_t *to, size_t *ret_len)
{
	int n = from ? conf_health_bytes(from, to) : 0;

	*ret_len = n > 0 ? (size_t)n : 0;
	return n < 0 ? n : 0;
}

static int fill(const struct conf_health *conf, struct health_check *c)
{
	int n = conf_health_statuses(conf->status ? conf->status : "200-299", c->http.status);
	int err = n < 0 ? n : copy_text(conf->host, &c->host);

	c->http.n_status = n > 0 ? (size_t)n : 0;
	if (!err)
		err = copy_text(conf->path ? conf->path : "/", &c->path);
	if (!err)
		err = copy_text(conf->query, &c->query);
	if (!err)
		err = copy_bytes(conf->match, c->http.match, &c->http.match_len);
	if (!err)
		err = copy_bytes(conf->send, c->send, &c->send_len);
	if (!err)
		err = copy_bytes(conf->expect, c->expect, &c->expect_len);
	return err;
}

int health_check_init(const struct conf_health *conf, struct tls_client *tls,
		      struct health_check *ret)
{
	struct health_check c = {
		.type = conf->type,
		.timeout_ms = conf->timeout_ms,
		.record = conf->record,
		.rcode = conf->rcode,
	};
	int err = fill(conf, &c);

	if (err) {
		health_check_clear(&c);
		return err;
	}
	c.tls = tls ? tls_client_ref(tls) : NULL;
	*ret = c;
	return 0;
}

void health_check_clear(struct health_check *c)
{
	free(c->host);
	free(c->path);
	free(c->query);
	tls_client_unref(c->tls);
	*c = (struct health_check) { 0 };
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

bool health_check_same(const struct health_check *a, const struct health_check *b)
{
	return a->type == b->type && a->timeout_ms == b->timeout_ms &&
	       same_text(a->host, b->host) && same_text(a->path, b->path) &&
	       same_text(a->query, b->query) && a->record == b->record && a->rcode == b->rcode &&
	       memcmp(&a->http, &b->http, sizeof(a->http)) == 0 && a->send_len == b->send_len &&
	       memcmp(a->send, b->send, a->send_len) == 0 && a->expect_len == b->expect_len &&
	       memcmp(a->expect, b->expect, a->expect_len) == 0;
}
