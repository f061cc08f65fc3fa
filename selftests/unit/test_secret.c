/* SPDX-License-Identifier: BSD-2-Clause */
/* Of a key nothing is to be left in memory that was given back: looked for in all of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/sandbox.h"
#include "base/buf.h"

#define SECRET_BYTES 48
#define MASK	     0x5a
#define PIECES	     300 /* the buffer grows several times */

/* Masked, so that what is searched for is not found here. */
static uint8_t masked[SECRET_BYTES];

static void choose(void)
{
	for (size_t i = 0; i < SECRET_BYTES; i++)
		masked[i] = (uint8_t)(i * 37 + 11);
}

static void reveal(char to[SECRET_BYTES])
{
	for (size_t i = 0; i < SECRET_BYTES; i++)
		to[i] = (char)(masked[i] ^ MASK);
}

static size_t find(const uint8_t *at, size_t n)
{
	size_t found = 0;

	for (size_t i = 0; i + SECRET_BYTES <= n; i++) {
		size_t k = 0;

		while (k < SECRET_BYTES && at[i + k] == (masked[k] ^ MASK))
			k++;
		found += k == SECRET_BYTES;
	}
	return found;
}

/* In the heap, through the kernel: what was freed must not be read as memory. */
static size_t count_in_heap(void)
{
	static uint8_t chunk[1 << 16];
	FILE *maps = fopen("/proc/self/maps", "re");
	int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	unsigned long from, to;
	char line[512];
	size_t found = 0;

	assert_true(maps && mem >= 0);
	while (fgets(line, sizeof(line), maps)) {
		if (!strstr(line, "[heap]") || sscanf(line, "%lx-%lx", &from, &to) != 2)
			continue;
		while (from < to) {
			ssize_t n = pread(mem, chunk, sizeof(chunk), (off_t)from);

			if (n <= 0)
				break;
			found += find(chunk, (size_t)n);
			from += (unsigned long)n;
		}
	}
	fclose(maps);
	close(mem);
	return found;
}

static void fill(struct buf *b)
{
	char secret[SECRET_BYTES];

	reveal(secret);
	for (size_t i = 0; i < PIECES; i++)
		assert_int_equal(buf_add(b, secret, sizeof(secret)), 0);
	explicit_bzero(secret, sizeof(secret));
}

static void a_secret_buffer_leaves_nothing_behind(void **state)
{
	struct buf b;

	(void)state;
	buf_init_secret(&b, 1U << 20);
	fill(&b);
	buf_clear(&b);
	assert_int_equal(count_in_heap(), 0);
	fill(&b); /* and is one still, after it was cleared */
	buf_clear(&b);
	assert_int_equal(count_in_heap(), 0);
}

/* That the search would find something. */
static void another_one_does(void **state)
{
	struct buf b;

	(void)state;
	if (sandbox_is_off()) {
		print_message("the heap of a sanitized build is elsewhere\n");
		skip();
	}
	buf_init(&b, 1U << 20);
	fill(&b);
	buf_clear(&b);
	assert_true(count_in_heap() > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_secret_buffer_leaves_nothing_behind),
		cmocka_unit_test(another_one_does),
	};

	choose();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
