/* SPDX-License-Identifier: BSD-2-Clause */
#include "irq_spread.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define IRQ_CPUS_MAX 1024

static void close_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

static FILE *open_at(int proc_fd, const char *path)
{
	int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "re");

	if (fd >= 0 && !f)
		close(fd);
	return f;
}

/* As a word of its own: eth1 is not in "eth10-rx-0". */
static bool has_word(const char *line, const char *word)
{
	const size_t len = strlen(word);
	const char *at = line;

	while (len && (at = strstr(at, word))) {
		if ((at == line || !isalnum((unsigned char)at[-1])) &&
		    !isalnum((unsigned char)at[len]))
			return true;
		at++;
	}
	return false;
}

/* Drivers name what receives so; "eth0" alone is all of a device without queues. */
static bool receives(const char *line)
{
	static const char *const words[] = { "rx", "Rx", "RX", "input", "comp", "queue" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strstr(line, words[i]))
			return true;
	return false;
}

/* "0-3,8" into seen; how many of them were new. */
static uint32_t add_cpus(const char *list, bool seen[IRQ_CPUS_MAX])
{
	uint32_t fresh = 0;

	while (isdigit((unsigned char)*list)) {
		char *end;
		unsigned long first = strtoul(list, &end, 10), last = first;

		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		for (; first <= last && first < IRQ_CPUS_MAX; first++) {
			fresh += !seen[first];
			seen[first] = true;
		}
		list = *end == ',' ? end + 1 : end;
	}
	return fresh;
}

/* Where it is sent in fact; older kernels say only where it may be. */
static uint32_t add_irq(int proc_fd, unsigned long irq, bool seen[IRQ_CPUS_MAX])
{
	static const char *const names[] = { "effective_affinity_list", "smp_affinity_list" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[64], text[256];
		CLEANUP(close_file) FILE *f = NULL;

		snprintf(path, sizeof(path), "irq/%lu/%s", irq, names[i]);
		f = open_at(proc_fd, path);
		if (f && fgets(text, sizeof(text), f) && isdigit((unsigned char)text[0]))
			return add_cpus(text, seen);
	}
	return 0;
}

int irq_spread_read(int proc_fd, const char *device, const char *bus, struct irq_spread *ret)
{
	CLEANUP(close_file) FILE *f = open_at(proc_fd, "interrupts");
	bool seen[IRQ_CPUS_MAX] = { false };
	CLEANUP_FREE char *line = NULL;
	size_t room = 0;

	if (!f)
		return -errno;
	*ret = (struct irq_spread) { 0 };
	while (getline(&line, &room, f) > 0) {
		char *end;
		unsigned long irq = strtoul(line, &end, 10);

		if (end == line || *end != ':' || !receives(end) ||
		    (!has_word(end, device) && !(*bus && strstr(end, bus))))
			continue;
		ret->irqs++;
		ret->cpus += add_irq(proc_fd, irq, seen);
	}
	return 0;
}
