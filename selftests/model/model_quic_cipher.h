/* SPDX-License-Identifier: BSD-2-Clause */
/* docs/feature/quic.md, "Encrypted": both directions, for who makes connection ids and who reads them. */
#pragma once

#include <stdint.h>

#define MODEL_QUIC_KEYS 3 /* 0: no key */

/* By its number, from 1 on. */
const uint8_t *model_quic_key(uint32_t number);

/* Server id and nonce, bytes together: 5..19. */
void model_quic_encrypt(uint32_t key, uint8_t *body, uint32_t bytes);
void model_quic_decrypt(uint32_t key, uint8_t *body, uint32_t bytes);
