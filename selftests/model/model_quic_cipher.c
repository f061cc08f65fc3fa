/* SPDX-License-Identifier: BSD-2-Clause */
#include "model_quic_cipher.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#define BLOCK	 16
#define HALF_MAX 10 /* of 19 bytes */
#define PASSES	 4

static const uint8_t keys[MODEL_QUIC_KEYS][BLOCK] = {
	[1] = { 0x8f, 0x95, 0xf0, 0x92, 0x45, 0x76, 0x5f, 0x80, 0x25, 0x69, 0x34, 0xe5, 0x0c, 0x66,
		0x20, 0x7f },
	[2] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
};

const uint8_t *model_quic_key(uint32_t number)
{
	return keys[number];
}

/* One block of AES-128, by itself (ECB). */
static void aes(uint32_t key, bool encrypt, uint8_t block[BLOCK])
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n;

	if (!ctx || !EVP_CipherInit_ex(ctx, EVP_aes_128_ecb(), NULL, keys[key], NULL, encrypt) ||
	    !EVP_CIPHER_CTX_set_padding(ctx, 0) || !EVP_CipherUpdate(ctx, block, &n, block, BLOCK))
		abort();
	EVP_CIPHER_CTX_free(ctx);
}

struct halves {
	uint8_t half[2][HALF_MAX]; /* left, right */
	uint32_t bytes;		   /* of each */
	bool odd;
};

/* The middle byte of an odd number: its upper four bits are the left half's, the others the right's. */
static void clear_middle(struct halves *h)
{
	if (!h->odd)
		return;
	h->half[0][h->bytes - 1] &= 0xf0;
	h->half[1][0] &= 0x0f;
}

/* A pass is its own inverse: it changes one half by the other, which stays. */
static void pass(struct halves *h, uint32_t key, uint32_t n, uint32_t number)
{
	const uint8_t *from = h->half[number % 2 ? 0 : 1];
	uint8_t *to = h->half[number % 2 ? 1 : 0], block[BLOCK] = { 0 };
	uint32_t i;

	memcpy(block, from, h->bytes);
	block[14] = (uint8_t)n;
	block[15] = (uint8_t)number;
	aes(key, true, block);
	for (i = 0; i < h->bytes; i++)
		to[i] ^= block[i];
	clear_middle(h);
}

static void four_pass(uint32_t key, bool encrypt, uint8_t *body, uint32_t n)
{
	struct halves h = { .bytes = (n + 1) / 2, .odd = n % 2 };
	uint32_t i;

	memcpy(h.half[0], body, h.bytes);
	memcpy(h.half[1], body + n - h.bytes, h.bytes);
	clear_middle(&h);
	for (i = 1; i <= PASSES; i++)
		pass(&h, key, n, encrypt ? i : PASSES + 1 - i);
	memset(body, 0, n);
	for (i = 0; i < h.bytes; i++) {
		body[i] |= h.half[0][i];
		body[n - h.bytes + i] |= h.half[1][i];
	}
}

void model_quic_encrypt(uint32_t key, uint8_t *body, uint32_t bytes)
{
	if (bytes == BLOCK)
		aes(key, true, body);
	else
		four_pass(key, true, body, bytes);
}

void model_quic_decrypt(uint32_t key, uint8_t *body, uint32_t bytes)
{
	if (bytes == BLOCK)
		aes(key, false, body);
	else
		four_pass(key, false, body, bytes);
}
