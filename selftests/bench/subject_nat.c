/* SPDX-License-Identifier: BSD-2-Clause */
/* A flow that is translated: its handshake is run, and what it turned into says how answers look. */
#include <stdio.h>
#include <stdlib.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "fill.h"
#include "subject.h"

uint32_t subject_run(int prog_fd, const char *name, struct frame *packet)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet->bytes, .data_size_in = packet->n,
		    .data_out = packet->bytes, .data_size_out = sizeof(packet->bytes));

	if (bpf_prog_test_run_opts(prog_fd, &opts))
		fill_die(name);
	return opts.retval;
}

static void expect(const struct subject *s, int prog_fd, struct frame *packet)
{
	uint32_t is = subject_run(prog_fd, s->name, packet);

	if (is == s->expect)
		return;
	fprintf(stderr, "bench_dataplane: %s: of its handshake, the program returned %u\n", s->name,
		is);
	exit(1);
}

void subject_begin_nat(struct subject *s)
{
	int prog_fd = s->like ? subject_named(s->like)->own_fd : s->own_fd;
	struct frame syn = s->packet, answer, client = s->packet;

	frame_set_flags(&syn, FRAME_SYN);
	expect(s, prog_fd, &syn);
	answer = syn;
	frame_turn(&answer, FRAME_SYN | FRAME_ACK_FLAG);
	expect(s, prog_fd, &answer);
	expect(s, prog_fd, &client);
	if (s->shows != SUBJECT_NAT_ANSWER)
		return;
	s->packet = syn;
	frame_turn(&s->packet, FRAME_ACK_FLAG);
}
