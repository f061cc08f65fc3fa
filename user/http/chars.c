/* SPDX-License-Identifier: BSD-2-Clause */
#include "chars.h"

#define V HTTP_CHAR_VALUE
#define G (V | HTTP_CHAR_TARGET) /* visible, not in tokens */
#define T (G | HTTP_CHAR_TOKEN)
#define U (T | HTTP_CHAR_UNRESERVED)
#define H (U | HTTP_CHAR_HOST)
#define X (H | HTTP_CHAR_HEX)
#define D (X | HTTP_CHAR_DIGIT)

/* What is not named is 0: controls, DEL. */
const uint8_t http_chars[256] = {
	['\t'] = V,
	[' '] = V,
	['!'] = T,
	['"'] = G,
	['#'] = V | HTTP_CHAR_TOKEN,
	['$' ... '\''] = T,
	['(' ... ')'] = G,
	['*' ... '+'] = T,
	[','] = G,
	['-' ... '.'] = H,
	['/'] = G,
	['0' ... '9'] = D,
	[':' ... '@'] = G,
	['A' ... 'F'] = X,
	['G' ... 'Z'] = H,
	['[' ... ']'] = G,
	['^'] = T,
	['_'] = H,
	['`'] = T,
	['a' ... 'f'] = X,
	['g' ... 'z'] = H,
	['{'] = G,
	['|'] = T,
	['}'] = G,
	['~'] = U,
	[0x80 ... 0xff] = V,
};
