/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Ciphers of encrypted connection ids: made, kept in map quic_keys and given up by programs that the
 * agent runs, since a process cannot write such a pointer. Loading this shows that the kernel has all
 * that the packet path needs for them.
 */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

#include "lib/frame_xdp.h"
#include "stage/quic_decrypt.h"

/* What quic_keys was before it got another size: for quic_key_copy. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct quic_key);
} quic_keys_old SEC(".maps");

static __always_inline void put(struct quic_key *to, struct bpf_crypto_ctx *cipher)
{
	struct bpf_crypto_ctx *was = bpf_kptr_xchg(&to->cipher, cipher);

	if (was)
		bpf_crypto_ctx_release(was);
}

/* 0, or what the kernel says of it: -ENOENT where it has no such cipher. */
SEC("syscall")
int quic_key_set(struct quic_key_call *call)
{
	struct bpf_crypto_params params = {
		.type = "skcipher",
		.algo = "ecb(aes)",
		.key_len = QUIC_KEY_BYTES,
	};
	__u32 index = call->index;
	struct quic_key *to = bpf_map_lookup_elem(&quic_keys, &index);
	struct bpf_crypto_ctx *cipher;
	int err = 0;

	if (!quic_encryption)
		return -95; /* EOPNOTSUPP */
	if (!to)
		return -7; /* E2BIG */
	__builtin_memcpy(params.key, call->key, QUIC_KEY_BYTES);
	cipher = bpf_crypto_ctx_create(&params, sizeof(params), &err);
	/* this stack is the kernel's, and others' next */
	__builtin_memset(params.key, 0, QUIC_KEY_BYTES);
	barrier_var(params.key_len);
	if (!cipher)
		return err;
	put(to, cipher);
	return 0;
}

SEC("syscall")
int quic_key_remove(struct quic_key_call *call)
{
	__u32 index = call->index;
	struct quic_key *to = bpf_map_lookup_elem(&quic_keys, &index);

	if (quic_encryption && to)
		put(to, NULL);
	return 0;
}

SEC("syscall")
int quic_key_copy(struct quic_key_call *call)
{
	__u32 index = call->index;
	struct quic_key *from = bpf_map_lookup_elem(&quic_keys_old, &index);
	struct quic_key *to = bpf_map_lookup_elem(&quic_keys, &index);
	struct bpf_crypto_ctx *cipher;

	if (!quic_encryption || !from || !to)
		return 0;
	bpf_rcu_read_lock();
	cipher = from->cipher;
	if (cipher)
		cipher = bpf_crypto_ctx_acquire(cipher);
	bpf_rcu_read_unlock();
	if (cipher)
		put(to, cipher);
	return 0;
}

/* Never attached: that it loads says that packets can be decrypted. */
SEC("xdp")
int quic_key_probe(struct xdp_md *ctx)
{
	struct quic_cid cid = { .body_bytes = QUIC_BLOCK_BYTES, .id_bytes = 1 };
	struct quic_server ret = {};

	return quic_decrypt(ctx, &cid, &ret) ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
