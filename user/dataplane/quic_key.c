/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process can neither read nor write what is in this map: programs that it runs do, and whose ciphers
 * are there is told by map quic. The program is loaded when the first vip has a key.
 */
#include "quic_key.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "dataplane_state.h"
#include "program_object.h"
#include "quic_map.h"
#include "vip_state.h"

/* Of vip 0, which nobody has. */
#define PROBE_INDEX 0

static int load_probe(void)
{
	struct bpf_object *obj = program_object_open(PROGRAM_QUIC_KEY);
	const bool yes = true;
	struct bpf_map *map;
	int err;

	if (!obj)
		return -errno;
	bpf_object__for_each_map(map, obj) bpf_map__set_pin_path(map, NULL);
	err = program_object_set(obj, "quic_encryption", &yes, sizeof(yes));
	if (!err)
		err = bpf_object__load(obj);
	bpf_object__close(obj);
	return err;
}

static int lacks(const char *what, struct errmsg *why)
{
	struct utsname host;

	return errmsg_set(
		why, -EOPNOTSUPP,
		"Linux %s %s; it takes 6.10 or newer, with CONFIG_CRYPTO_ECB and "
		"CONFIG_CRYPTO_AES; until then remove key, and have backends write server "
		"ids as they are",
		uname(&host) ? "here" : host.release, what);
}

bool quic_key_kernel_has(struct errmsg *why)
{
	static enum { UNKNOWN, HAS, LACKS } kernel;

	if (kernel == UNKNOWN)
		kernel = load_probe() ? LACKS : HAS;
	if (kernel == LACKS)
		lacks("has no ciphers for BPF programs", why);
	return kernel == HAS;
}

static int call(const struct bpf_object *obj, const char *program, uint32_t index,
		const uint8_t key[QUIC_KEY_BYTES])
{
	struct quic_key_call args = { .index = index };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &args, .ctx_size_in = sizeof(args));
	const struct bpf_program *p = bpf_object__find_program_by_name(obj, program);
	int err;

	if (key)
		memcpy(args.key, key, QUIC_KEY_BYTES);
	err = bpf_prog_test_run_opts(bpf_program__fd(p), &opts) ? -errno : (int)opts.retval;
	explicit_bzero(&args, sizeof(args));
	return err;
}

static int open_programs(struct dataplane *dp, struct errmsg *err)
{
	struct bpf_object *obj = NULL;
	int e = dp->quic_key ? 0 : program_open_xdp(dp, PROGRAM_QUIC_KEY, &obj, err);

	if (dp->quic_key || e)
		return e;
	program_complaint_clear();
	e = bpf_object__load(obj);
	if (e) {
		bpf_object__close(obj);
		return program_load_failed(dp, e, "quic_key", err);
	}
	dp->quic_key = obj;
	return 0;
}

/* A cipher that nobody uses: what is missing may be the cipher itself. */
static int try_cipher(const struct dataplane *dp, struct errmsg *err)
{
	static const uint8_t none[QUIC_KEY_BYTES];
	int e = call(dp->quic_key, "quic_key_set", PROBE_INDEX, none);

	if (e == -ENOENT || e == -EOPNOTSUPP)
		return lacks("has no cipher ecb(aes) for BPF programs", err);
	if (e)
		return errmsg_set(err, e, "the kernel makes no cipher: %s", strerror(-e));
	return call(dp->quic_key, "quic_key_remove", PROBE_INDEX, NULL);
}

static const struct conf_vip *first_with_key(const struct conf *conf)
{
	for (size_t i = 0; i < conf->n_vips; i++) {
		for (size_t j = 0; j < conf->vips[i].n_quic; j++) {
			if (conf->vips[i].quic[j].key)
				return &conf->vips[i];
		}
	}
	return NULL;
}

int quic_key_check(struct dataplane *dp, const struct conf *conf, struct errmsg *err)
{
	const struct conf_vip *v = first_with_key(conf);
	struct errmsg why = { "" };
	int e = 0;

	if (!v)
		return 0;
	if (!dp->quic_encryption)
		e = lacks("has no ciphers for BPF programs", &why);
	if (!e)
		e = open_programs(dp, &why);
	if (!e)
		e = try_cipher(dp, &why);
	return e ? errmsg_set(err, e, "vips[%s].quic.key: connection ids cannot be decrypted: %s",
			      v->name, why.text)
		 : 0;
}

/* After a restart: by what is in map quic. */
static int find_keyed(struct vip_map *m)
{
	const int fd = pinned_map_fd(m->dp, "quic");
	struct quic q;

	if (m->quic_keyed)
		return 0;
	m->quic_keyed = calloc(m->max_vips, sizeof(*m->quic_keyed));
	m->quic_wanted = calloc(m->max_vips, sizeof(*m->quic_wanted));
	if (!m->quic_keyed || !m->quic_wanted)
		return -ENOMEM;
	for (uint32_t id = 1; dataplane_adopted(m->dp) && id < m->max_vips; id++) {
		if (bpf_map_lookup_elem(fd, &id, &q))
			return -errno;
		m->quic_keyed[id] = quic_map_encrypted(&q);
	}
	return 0;
}

int quic_key_apply(struct vip_map *m, const struct conf *conf)
{
	int err = m->dp->quic_encryption ? find_keyed(m) : 0;

	for (size_t i = 0; !err && i < m->n_services; i++) {
		const uint32_t id = m->services[i].rec.id;

		for (size_t j = 0; !err && j < conf->vips[i].n_quic; j++) {
			const struct conf_quic *q = &conf->vips[i].quic[j];

			/* A file that is not to be read now: what is in the kernel stays. */
			if (!q->key || !q->has_secret)
				continue;
			err = call(m->dp->quic_key, "quic_key_set",
				   quic_key_index(id, q->config_id), q->secret);
			if (!err)
				m->quic_keyed[id] |= (uint8_t)(1U << q->config_id);
		}
	}
	return err;
}

int quic_key_sweep(struct vip_map *m)
{
	struct errmsg why;
	uint32_t id, config;
	int err = 0;

	if (!m->quic_wanted)
		return 0;
	for (size_t i = 0; i < m->n_services; i++) {
		id = m->services[i].rec.id;
		m->quic_wanted[id] = quic_map_encrypted(&m->services[i].quic);
	}
	for (id = 1; !err && id < m->max_vips; id++) {
		const uint32_t rest = m->quic_keyed[id] & ~(uint32_t)m->quic_wanted[id];

		m->quic_wanted[id] = 0;
		for (config = 0; !err && rest >> config; config++) {
			if (!(rest >> config & 1))
				continue;
			err = open_programs(m->dp, &why);
			if (!err)
				err = call(m->dp->quic_key, "quic_key_remove",
					   quic_key_index(id, config), NULL);
		}
		m->quic_keyed[id] &= (uint8_t)~rest;
	}
	return err;
}

static int copy_all(struct dataplane *dp, const struct bpf_object *obj, uint32_t n_vips)
{
	const struct pinned_map *q = pinned_map_find(dp, "quic");
	const int fd = q->old_fd >= 0 ? q->old_fd : q->fd;
	struct quic lengths;
	int err = 0;

	for (uint32_t id = 1; !err && id < n_vips; id++) {
		unsigned int rest =
			bpf_map_lookup_elem(fd, &id, &lengths) ? 0 : quic_map_encrypted(&lengths);

		for (uint32_t config = 0; !err && rest >> config; config++) {
			if (rest >> config & 1)
				err = call(obj, "quic_key_copy", quic_key_index(id, config), NULL);
		}
	}
	return err;
}

int quic_key_copy(struct dataplane *dp, const struct pinned_map *m)
{
	struct bpf_object *obj = NULL;
	struct map_shape old;
	struct errmsg why;
	int err = dp->quic_encryption ? pinned_map_shape(m->old_fd, &old) : 0;

	if (err || !dp->quic_encryption)
		return err;
	err = program_open_xdp(dp, PROGRAM_QUIC_KEY, &obj, &why);
	if (err)
		return err;
	err = bpf_map__reuse_fd(bpf_object__find_map_by_name(obj, "quic_keys_old"), m->old_fd);
	if (!err)
		err = bpf_object__load(obj);
	if (!err)
		err = copy_all(dp, obj,
			       (old.max_entries < m->shape.max_entries ? old.max_entries
								       : m->shape.max_entries) /
				       QUIC_CONFIGS);
	bpf_object__close(obj);
	return err;
}

void quic_key_close(struct dataplane *dp)
{
	bpf_object__close(dp->quic_key);
	dp->quic_key = NULL;
}
