/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Map quic_keys: the ciphers of encrypted connection ids, made by the programs of quic_key.bpf.c. */
#pragma once

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

#include "../lib/crypto.h"
#include "sluice/abi/quic.h"

struct quic_key {
	crypto_cipher CRYPTO_KPTR *cipher; /* NULL: none */
};

/*
 * By quic_key_index. A cipher that is replaced lives until the packets that found it are done with it,
 * by RCU. A kernel without ciphers (before 6.10) has an array of zeros here.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 64 * QUIC_CONFIGS);
	__type(key, __u32);
	__type(value, struct quic_key);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} quic_keys SEC(".maps");
