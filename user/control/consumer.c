/* SPDX-License-Identifier: BSD-2-Clause */
/* consumer: who may call, with which keys and by which plan. */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "request.h"

#define KEY_RANDOM_BYTES 24
#define KEY_TEXT_BYTES	 (2 * KEY_RANDOM_BYTES + 1)
#define KEY_TEXT_MIN	 16 /* shorter keys can be guessed */

static void hex(const uint8_t *bytes, size_t n, char *text)
{
	for (size_t i = 0; i < n; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

static json_t *consumer_json(const struct conf_consumer *c)
{
	json_t *keys = json_array();
	char text[9];

	for (size_t i = 0; i < c->n_keys; i++) {
		hex(c->keys_sha256[i], 4, text);
		json_array_append_new(keys, json_sprintf("sha256:%s…", text));
	}
	return json_pack("{s:s,s:s,s:o}", "name", c->name, "plan", c->plan ? c->plan : "", "keys",
			 keys);
}

static int consumer_list(struct control_request *r)
{
	const struct conf *conf = supervisor_conf(r->s);

	r->data = json_array();
	for (size_t i = 0; i < conf->n_consumers; i++)
		json_array_append_new(r->data, consumer_json(&conf->consumers[i]));
	return 0;
}

/* The SHA-256 of the key given, or of a fresh one, which goes to fresh ("": none was made). */
static int consumer_key(struct control_request *r, const char *key, json_t *edit,
			char fresh[KEY_TEXT_BYTES])
{
	char text[65];
	uint8_t random[KEY_RANDOM_BYTES], digest[EVP_MAX_MD_SIZE];

	if (!strcmp(key, "new")) {
		if (RAND_bytes(random, sizeof(random)) != 1)
			return errmsg_set(&r->err, -EIO, "no randomness for a new key");
		hex(random, sizeof(random), fresh);
		key = fresh;
	}
	if (strlen(key) < KEY_TEXT_MIN)
		return errmsg_set(&r->err, -EINVAL,
				  "a key has at least %d characters; key=new makes "
				  "one",
				  KEY_TEXT_MIN);
	if (EVP_Digest(key, strlen(key), digest, NULL, EVP_sha256(), NULL) != 1)
		return errmsg_set(&r->err, -EIO, "SHA-256 failed");
	hex(digest, 32, text);
	json_object_set_new(edit, "keys_sha256", json_pack("[s]", text));
	return 0;
}

/* The item of the list that the consumer is now, and the key that is shown this once. */
static int consumer_answer(struct control_request *r, const char *name, const char *fresh)
{
	const struct conf_consumer *c = conf_consumer(supervisor_conf(r->s), name);

	if (r->dry_run || !c)
		return 0;
	r->data = consumer_json(c);
	if (fresh[0])
		json_object_set_new(r->data, "key", json_string(fresh));
	return 0;
}

static int consumer_write(struct control_request *r)
{
	static const char *const fields[] = { "plan", "key", NULL };
	const char *name = request_arg(r, "name");
	json_t *set = request_set(r);
	const char *plan = json_string_value(json_object_get(set, "plan"));
	const char *key = json_string_value(json_object_get(set, "key"));
	bool add = !strcmp(r->verb, "add");
	char fresh[KEY_TEXT_BYTES] = "";
	json_t *edit;
	int err;

	if (!name)
		return -EINVAL;
	err = request_check_set(r, fields);
	if (err)
		return err;
	if (!add && !conf_consumer(supervisor_conf(r->s), name))
		return errmsg_set(&r->err, -ENOENT,
				  "there is no consumer '%.64s'; see sluicectl consumer list",
				  name);
	if (add && conf_consumer(supervisor_conf(r->s), name))
		return errmsg_set(&r->err, -EEXIST,
				  "consumer '%.64s' is there already: use "
				  "consumer set",
				  name);
	if (add && !plan)
		return errmsg_set(&r->err, -EINVAL,
				  "consumer add needs plan=NAME; see sluicectl plan list");
	if (!add && !set)
		return errmsg_set(&r->err, -EINVAL,
				  "consumer set needs a field: plan=NAME, or key=new for a fresh "
				  "key");
	edit = json_pack("{s:s,s:s,s:s}", "kind", "consumer", "op", r->verb, "name", name);
	if (!edit)
		return -EINVAL;
	if (plan)
		json_object_set_new(edit, "plan", json_string(plan));
	if (add && !key)
		key = "new";
	err = key ? consumer_key(r, key, edit, fresh) : 0;
	if (err) {
		json_decref(edit);
		return err;
	}
	err = request_edit(r, edit);
	return err ? err : consumer_answer(r, name, fresh);
}

int control_consumer(struct control_request *r)
{
	if (!strcmp(r->verb, "list"))
		return consumer_list(r);
	if (!strcmp(r->verb, "add") || !strcmp(r->verb, "set"))
		return consumer_write(r);
	if (!strcmp(r->verb, "del")) {
		const char *name = request_arg(r, "name");

		if (!name)
			return -EINVAL;
		if (!conf_consumer(supervisor_conf(r->s), name))
			return errmsg_set(
				&r->err, -ENOENT,
				"there is no consumer '%.64s'; see sluicectl consumer list", name);
		return request_edit(r, json_pack("{s:s,s:s,s:s}", "kind", "consumer", "op", "del",
						 "name", name));
	}
	return request_no_verb(r);
}
