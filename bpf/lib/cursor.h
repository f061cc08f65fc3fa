/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading a packet front to back, with both ends checked: that of memory and that of the packet. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

struct cursor {
	void *at;
	void *end;  /* of what can be read directly */
	__u32 left; /* bytes from here to the end of the frame, or of the IP packet once known */
};

/* The next bytes (a constant), or NULL: fewer are left, or they are not readable directly. */
static __always_inline void *cursor_take(struct cursor *c, __u32 bytes)
{
	void *at = c->at;

	if (bytes > c->left || at + bytes > c->end)
		return NULL;
	c->at = at + bytes;
	c->left -= bytes;
	return at;
}

/* Go on by up to 64 KiB; whether that much is left. Memory is checked by the next cursor_take. */
static __always_inline bool cursor_skip(struct cursor *c, __u32 bytes)
{
	if (bytes > c->left)
		return false;
	c->at += bytes;
	/* The verifier forgets what it knows of a pointer that clang computes twice. */
	barrier_var(c->at);
	c->left -= bytes;
	return true;
}
