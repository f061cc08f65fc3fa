/* SPDX-License-Identifier: BSD-2-Clause */
/* Connection ids: how they are made, whose they are, and the ciphers that programs of the kernel keep. */
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "lane_part.h"
#include "model_quic_cipher.h"
#include "quic_key.skel.h"

void lane_quic_open(struct lane *l)
{
	struct quic_key *s;

	l->model.policy.has_ciphers = plane_encrypts();
	if (!l->model.policy.has_ciphers)
		return;
	s = quic_key__open();
	if (!s)
		abort();
	s->rodata->quic_encryption = true;
	bpf_program__set_autoload(s->progs.quic_key_probe, false);
	bpf_program__set_autoload(s->progs.quic_key_copy, false);
	if (bpf_map__set_pin_path(s->maps.quic_keys, NULL) ||
	    bpf_map__reuse_fd(s->maps.quic_keys, plane_map(&l->plane, "quic_keys")) ||
	    quic_key__load(s))
		abort();
	l->ciphers = s;
}

void lane_quic_close(struct lane *l)
{
	quic_key__destroy(l->ciphers);
}

/* key: its number, 0: none. */
static void put_cipher(const struct lane *l, uint32_t vip, uint32_t config, uint32_t key)
{
	struct quic_key_call args = { .index = quic_key_index(vip, config) };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &args, .ctx_size_in = sizeof(args));
	const struct bpf_program *p =
		key ? l->ciphers->progs.quic_key_set : l->ciphers->progs.quic_key_remove;

	memcpy(args.key, model_quic_key(key), sizeof(args.key));
	if (bpf_prog_test_run_opts(bpf_program__fd(p), &opts) || opts.retval)
		abort();
}

static void write_ciphers(struct lane *l)
{
	const struct model_policy *w = &l->model.policy;
	uint32_t vip, config;

	for (vip = 1; vip < MODEL_VIPS && l->ciphers; vip++) {
		for (config = 0; config < QUIC_CONFIGS; config++) {
			if (l->cipher[vip][config] == w->quic_key[vip][config])
				continue;
			put_cipher(l, vip, config, w->quic_key[vip][config]);
			l->cipher[vip][config] = w->quic_key[vip][config];
		}
	}
}

void lane_quic_write(struct lane *l)
{
	const struct model_policy *w = &l->model.policy;
	uint32_t i;

	write_ciphers(l);
	for (i = 1; i < MODEL_VIPS; i++)
		lane_put(l, "quic", &i, &w->quic[i]);
	lane_empty(l, "quic_servers");
	for (i = 0; i < w->n_quic_server; i++)
		lane_put(l, "quic_servers", &w->quic_server[i].key, &w->quic_server[i].backend);
}
