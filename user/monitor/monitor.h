/* SPDX-License-Identifier: BSD-2-Clause */
/* The process that stays root: see agent/message.h for the requests that it answers. */
#pragma once

#include "../agent/supervisor.h"

struct monitor_settings {
	const char *config_path; /* absolute */
	const struct conf *conf; /* checked; only its agent section is used after the start */
	const struct supervisor_hooks *hooks;
};

/* Until the agent has stopped. Says on stderr why it could not start. The exit status. */
int monitor_run(const struct monitor_settings *settings);

/* sd_notify(3) without libsystemd (notify.c); nothing happens where $NOTIFY_SOCKET is not set. 0. */
int notify_send(const char *state);
/* RELOADING=1 with the time that Type=notify-reload asks for. */
void notify_reloading(void);
