/* SPDX-License-Identifier: BSD-2-Clause */
/* The process that stays root: see agent/message.h for the requests that it answers. */
#pragma once

#include "../agent/handover.h"
#include "../agent/supervisor.h"

struct monitor_settings {
	const char *config_path; /* absolute */
	const struct conf *conf; /* checked; bounds what is opened and bound from then on */
	const struct supervisor_hooks *hooks;
	const struct handover *held; /* taken over from the program before; NULL: a start */
};

/* Until the agent has stopped. Says on stderr why it could not start. The exit status. */
int monitor_run(const struct monitor_settings *settings);
