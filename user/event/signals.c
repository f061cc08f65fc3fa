/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "signals.h"

static void signals_on_event(struct watch *w, uint32_t events)
{
	struct signals *s = container_of(w, struct signals, watch);
	struct signalfd_siginfo info;

	(void)events;
	/* a handler may close us: fd is -1 then */
	while (s->watch.fd >= 0 && read(s->watch.fd, &info, sizeof(info)) == sizeof(info))
		s->on_signal(s, (int)info.ssi_signo);
}

int signals_open(struct signals *s, struct loop *l, const sigset_t *set,
		 void (*on_signal)(struct signals *, int))
{
	int fd, err;

	if (sigprocmask(SIG_BLOCK, set, NULL))
		return -errno;
	fd = signalfd(-1, set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	*s = (struct signals) {
		.watch = { .fd = fd, .on_event = signals_on_event },
		.on_signal = on_signal,
	};
	err = loop_add(l, &s->watch);
	if (err) {
		close(fd);
		s->watch.fd = -1;
	}
	return err;
}

void signals_close(struct signals *s, struct loop *l)
{
	if (s->watch.fd < 0)
		return;
	loop_del(l, &s->watch);
	close(s->watch.fd);
	s->watch.fd = -1;
}
