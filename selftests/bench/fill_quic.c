/* SPDX-License-Identifier: BSD-2-Clause */
#include "fill_quic.h"

#include <bpf/bpf.h>

#include "dataplane/quic_key.h"
#include "fill.h"
#include "quic_key.skel.h"
#include "sluice/abi/quic.h"

/* FRAME_QUIC, FRAME_QUIC_ONE, FRAME_QUIC_FOUR. */
static const struct quic kinds = { .server_id_bytes = { 8, 8, 3 },
				   .nonce_bytes = { 8, 8 | QUIC_ENCRYPTED, 6 | QUIC_ENCRYPTED } };

/* Of zeros, both. */
static void put_ciphers(int keys_fd, uint32_t vip_id)
{
	struct quic_key *programs = quic_key__open();
	struct quic_key_call args = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &args, .ctx_size_in = sizeof(args));
	uint32_t config;

	if (!programs || bpf_map__set_pin_path(programs->maps.quic_keys, NULL) ||
	    bpf_map__reuse_fd(programs->maps.quic_keys, keys_fd))
		fill_die("quic_key");
	programs->rodata->quic_encryption = true;
	if (quic_key__load(programs))
		fill_die("quic_key");
	for (config = 1; config < 3; config++) {
		args.index = quic_key_index(vip_id, config);
		if (bpf_prog_test_run_opts(bpf_program__fd(programs->progs.quic_key_set), &opts) ||
		    opts.retval)
			fill_die("quic_key_set");
	}
	quic_key__destroy(programs);
}

void fill_quic(struct bpf_object *obj, uint32_t vip_id, uint32_t backend)
{
	const int servers_fd = bpf_object__find_map_fd_by_name(obj, "quic_servers");
	const int quic_fd = bpf_object__find_map_fd_by_name(obj, "quic");
	struct errmsg why;
	uint32_t config;

	if (bpf_map_update_elem(quic_fd, &vip_id, &kinds, BPF_ANY))
		fill_die("quic");
	for (config = 0; config < 3; config++) {
		struct quic_server s = { .vip_id = vip_id, .config = (uint8_t)config };

		s.id[kinds.server_id_bytes[config] - 1] = 1;
		if (bpf_map_update_elem(servers_fd, &s, &backend, BPF_ANY))
			fill_die("quic_servers");
	}
	if (quic_key_kernel_has(&why))
		put_ciphers(bpf_object__find_map_fd_by_name(obj, "quic_keys"), vip_id);
}
