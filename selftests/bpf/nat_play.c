/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "nat_play.h"

enum plane_action nat_play_client(struct plane *p, uint16_t port, uint8_t flags, struct packet *out)
{
	struct packet_spec spec = nat_lab_spec(false, flags ? PROTO_TCP : PROTO_UDP, port);
	struct packet in;

	spec.tcp_flags = flags;
	nat_lab_build(&spec, &in);
	return plane_run(p, &in, out);
}

enum plane_action nat_play_backend(struct plane *p, const struct packet *got, uint8_t flags)
{
	struct packet_spec spec = nat_lab_spec(false, flags ? PROTO_TCP : PROTO_UDP, NAT_PLAY_PORT);
	struct packet answer;

	nat_lab_answer(got, &spec, &answer);
	if (flags) {
		answer.bytes[answer.l4 + 13] = flags;
		nat_lab_fill_sums(&answer, false, PROTO_TCP);
	}
	return plane_run(p, &answer, NULL);
}

static uint8_t flags_of(char step)
{
	switch (step) {
	case 'S':
		return TCP_SYN_FLAG;
	case 's':
		return TCP_SYN_FLAG | TCP_ACK_FLAG;
	case 'F':
	case 'f':
		return TCP_FIN_FLAG | TCP_ACK_FLAG;
	case 'R':
	case 'r':
		return TCP_RST | TCP_ACK_FLAG;
	case 'C':
	case 'B':
		return 0;
	default:
		return TCP_ACK_FLAG;
	}
}

void nat_play(struct plane *p, uint16_t port, const char *script, struct packet *out)
{
	for (size_t i = 0; script[i]; i++) {
		bool from_client = strchr("SAFRC", script[i]) != NULL;
		uint8_t flags = flags_of(script[i]);
		enum plane_action got = from_client
						? nat_play_client(p, port, flags, i ? NULL : out)
						: nat_play_backend(p, out, flags);

		if (got != nat_lab_sent(p))
			fail_msg("%s: step %zu: %d", script, i, got);
	}
}
