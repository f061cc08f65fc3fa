/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf_distance.h"

#define WORD_MAX 64 /* longer ones get no suggestion */

struct conf_distance conf_distance_start(struct str written)
{
	unsigned int letters = written.len > WORD_MAX ? 0 : (unsigned int)written.len;

	return (struct conf_distance) { written, letters ? letters / 3 + 2 : 0 };
}

static unsigned int least(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Levenshtein's distance, one row at a time. */
static unsigned int distance(struct str a, struct str b)
{
	unsigned int row[WORD_MAX + 1];

	for (unsigned int j = 0; j <= b.len; j++)
		row[j] = j;
	for (unsigned int i = 1; i <= a.len; i++) {
		unsigned int diagonal = row[0];

		row[0] = i;
		for (unsigned int j = 1; j <= b.len; j++) {
			unsigned int above = row[j];
			unsigned int other = a.ptr[i - 1] != b.ptr[j - 1];

			row[j] = least(above + 1, row[j - 1] + 1, diagonal + other);
			diagonal = above;
		}
	}
	return row[b.len];
}

bool conf_distance_nearer(struct conf_distance *d, struct str candidate)
{
	unsigned int found;

	if (d->best == 0 || candidate.len > WORD_MAX)
		return false;
	found = distance(d->written, candidate);
	if (found >= d->best)
		return false;
	d->best = found;
	return true;
}
