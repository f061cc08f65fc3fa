/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of the guard: what answers SYNs while there are too many of them. */
#include "conf_node.h"
#include "conf_rows.h"
#include "sluice/abi/guard.h"

static const struct conf_word guard_mode_words[] = { { "off", CONF_GUARD_OFF },
						     { "auto", CONF_GUARD_AUTO },
						     { "always", CONF_GUARD_ALWAYS },
						     { NULL, 0 } };
const struct conf_word conf_guard_words[] = { { "inherit", CONF_GUARD_INHERIT },
					      { "off", CONF_GUARD_OFF },
					      { "auto", CONF_GUARD_AUTO },
					      { "always", CONF_GUARD_ALWAYS },
					      { NULL, 0 } };
static const struct conf_word guard_reset_words[] = { { "challenge", GUARD_CHALLENGE },
						      { "plain", GUARD_PLAIN },
						      { NULL, 0 } };

#define GUARD(field) CONF_AT(struct conf_guard, field)

static const struct conf_row guard_rows[] = {
	{ .name = "mode",
	  GUARD(mode),
	  .type = &conf_type_word,
	  .words = guard_mode_words,
	  .def = "off",
	  .help = "When SYNs are answered here instead of by who listens: never, by their rate, or "
		  "always." },
	{ .name = "listeners",
	  GUARD(listeners),
	  .type = &conf_type_word,
	  .words = conf_guard_words,
	  .def = "inherit",
	  .help = "The same for the listeners of this host, by SYN cookies of its kernel: needs "
		  "net.ipv4.tcp_syncookies=2, and keeps SACK and window scaling with "
		  "net.ipv4.tcp_timestamps=2." },
	{ .name = "on_per_s",
	  GUARD(on_per_s),
	  .type = &conf_type_number,
	  .def = "10000",
	  .min = 1,
	  .max = 1000000000,
	  .help = "SYNs within a second that turn it on: to one vip, or to all that is no vip." },
	{ .name = "off_per_s",
	  GUARD(off_per_s),
	  .type = &conf_type_number,
	  .min = 1,
	  .max = 1000000000,
	  .def_help = "half of on_per_s",
	  .help = "It stays on as long as a second has that many." },
	{ .name = "hold",
	  GUARD(hold_ms),
	  .type = &conf_type_duration,
	  .def = "30s",
	  .min = 2000,
	  .max = 86400000,
	  .help = "How long no second may have that many, before it is off." },
	{ .name = "reset",
	  GUARD(reset),
	  .type = &conf_type_word,
	  .words = guard_reset_words,
	  .def = "challenge",
	  .help = "How a client of a vip is made to prove its address: by an answer that its stack "
		  "resets before it tries again, or (where a firewall drops such answers) by a "
		  "connection that its user sees reset." },
};

static void guard_derive(void *item, const struct conf_node *node)
{
	struct conf_guard *guard = item;

	(void)node;
	if (guard->off_per_s == 0)
		guard->off_per_s = guard->on_per_s / 2 ? guard->on_per_s / 2 : 1;
}

const struct conf_table conf_table_guard =
	CONF_TABLE("guard", guard_rows, struct conf_guard, .derive = guard_derive);
