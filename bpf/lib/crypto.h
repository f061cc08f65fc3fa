/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's ciphers for BPF programs (6.10). Weak: who calls them asks before, by a constant, whether
 * the kernel has them, so that the verifier of one without deletes the call.
 */
#pragma once

#include <linux/types.h>
#include <bpf/bpf_helpers.h>

/* libbpf compares kinds of types: a struct that is only declared is of another. */
struct bpf_crypto_ctx {
};

/* As the kernel has it; key and algo are given as texts and bytes, the rest is zero. */
struct bpf_crypto_params {
	char type[14];
	__u8 reserved[2];
	char algo[128];
	__u8 key[256];
	__u32 key_len;
	__u32 authsize;
};

/*
 * A pointer in a map that the kernel counts; libbpf before 1.2 gives the name __kptr to another kind.
 * By a typedef, since clang 14 forgets the tag of a struct's member that points to a struct.
 */
typedef struct bpf_crypto_ctx crypto_cipher;
#define CRYPTO_KPTR __attribute__((btf_type_tag("kptr")))

extern struct bpf_crypto_ctx *bpf_crypto_ctx_create(const struct bpf_crypto_params *params,
						    __u32 params__sz, int *err) __ksym __weak;
extern struct bpf_crypto_ctx *bpf_crypto_ctx_acquire(struct bpf_crypto_ctx *ctx) __ksym __weak;
extern void bpf_crypto_ctx_release(struct bpf_crypto_ctx *ctx) __ksym __weak;
/* Linux 6.2: around a pointer out of a map, in a program that may sleep. */
extern void bpf_rcu_read_lock(void) __ksym __weak;
extern void bpf_rcu_read_unlock(void) __ksym __weak;
extern int bpf_crypto_encrypt(struct bpf_crypto_ctx *ctx, const struct bpf_dynptr *src,
			      const struct bpf_dynptr *dst,
			      const struct bpf_dynptr *iv) __ksym __weak;
extern int bpf_crypto_decrypt(struct bpf_crypto_ctx *ctx, const struct bpf_dynptr *src,
			      const struct bpf_dynptr *dst,
			      const struct bpf_dynptr *iv) __ksym __weak;
