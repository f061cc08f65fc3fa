/* SPDX-License-Identifier: BSD-2-Clause */
/* Signals as events: blocked in the process and read from a signalfd. */
#pragma once

#include <signal.h>

#include "loop.h"

struct signals {
	struct watch watch;
	void (*on_signal)(struct signals *s, int signo);
};

/* Block every signal of set and deliver it to on_signal. Negative errno. */
int signals_open(struct signals *s, struct loop *l, const sigset_t *set,
		 void (*on_signal)(struct signals *, int));
void signals_close(struct signals *s, struct loop *l);
