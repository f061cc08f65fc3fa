/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "event/loop.h"
#include "event/signals.h"
#include "event/wheel.h"

#define TIMERS	 3000
#define START_MS 123456789ULL
#define TURN_MAX 1000
#define WAIT_MS	 1000

static int setup(void **state)
{
	return loop_new((struct loop **)state);
}

static int teardown(void **state)
{
	loop_free(*state);
	return 0;
}

/* --- the wheel, in its own time --- */

static struct wheel wheel;
static uint64_t fired_at[TIMERS];
static struct timer timers[TIMERS];
static unsigned int fired;

static void note_fired(struct timer *t)
{
	fired_at[t - timers] = wheel.tick_ms;
	fired++;
}

static void reset_wheel(uint64_t now_ms)
{
	wheel_init(&wheel, now_ms);
	memset(timers, 0, sizeof(timers));
	memset(fired_at, 0, sizeof(fired_at));
	fired = 0;
	for (size_t i = 0; i < TIMERS; i++)
		timers[i].on_due = note_fired;
}

static uint32_t random_state = 1;

static uint32_t next_random(void)
{
	random_state = random_state * 1664525U + 1013904223U;
	return random_state >> 4;
}

static void test_every_timer_fires_in_its_tick_however_the_time_jumps(void **state)
{
	static const uint64_t steps_ms[] = { 1, 3, 64, 1000, 4096, 100000, 20000000 };
	uint64_t now;

	(void)state;
	for (size_t s = 0; s < sizeof(steps_ms) / sizeof(steps_ms[0]); s++) {
		uint64_t span = steps_ms[s] * 300;

		now = START_MS;
		reset_wheel(now);
		for (size_t i = 0; i < TIMERS; i++) {
			timers[i].due_ms = now + 1 + next_random() % span;
			wheel_put(&wheel, &timers[i]);
		}
		while (fired < TIMERS) {
			now += 1 + next_random() % steps_ms[s];
			wheel_advance(&wheel, now);
			assert_int_equal(wheel.tick_ms, now);
			for (size_t i = 0; i < TIMERS; i++) /* late is as wrong as early */
				assert_int_equal(timer_running(&timers[i]), timers[i].due_ms > now);
			assert_true(now < START_MS + span + steps_ms[s] + 1);
		}
		for (size_t i = 0; i < TIMERS; i++)
			assert_int_equal(fired_at[i], timers[i].due_ms);
		assert_int_equal(wheel_next(&wheel), WHEEL_NONE);
	}
}

static void test_the_next_tick_is_never_after_a_due_timer(void **state)
{
	(void)state;
	reset_wheel(START_MS);
	for (size_t i = 0; i < 200; i++) {
		timers[i].due_ms = START_MS + 1 + next_random() % 10000000;
		wheel_put(&wheel, &timers[i]);
	}
	while (fired < 200) {
		uint64_t next = wheel_next(&wheel);

		for (size_t i = 0; i < 200; i++)
			assert_true(!timer_running(&timers[i]) || timers[i].due_ms >= next);
		wheel_advance(&wheel, next);
	}
}

static void test_stopped_timers_do_not_fire_and_leave_nothing_to_wait_for(void **state)
{
	(void)state;
	reset_wheel(START_MS);
	for (size_t i = 0; i < TIMERS; i++) {
		timers[i].due_ms = START_MS + 1 + i * 977;
		wheel_put(&wheel, &timers[i]);
	}
	for (size_t i = 0; i < TIMERS; i++)
		wheel_take(&timers[i]);
	wheel_take(&timers[0]);
	assert_int_equal(wheel_next(&wheel), WHEEL_NONE);
	wheel_advance(&wheel, START_MS + TIMERS * 1000);
	assert_int_equal(fired, 0);
}

static void stop_the_next_one(struct timer *t)
{
	note_fired(t);
	wheel_take(t == &timers[0] ? &timers[1] : &timers[0]);
}

static void test_a_timer_may_stop_another_of_the_same_tick(void **state)
{
	(void)state;
	reset_wheel(START_MS);
	for (size_t i = 0; i < 2; i++) {
		timers[i].on_due = stop_the_next_one;
		timers[i].due_ms = START_MS + 5;
		wheel_put(&wheel, &timers[i]);
	}
	wheel_advance(&wheel, START_MS + 100);
	assert_int_equal(fired, 1);
}

static void put_again_at_once(struct timer *t)
{
	note_fired(t);
	t->due_ms = 0; /* long past: the next tick, not this one again */
	wheel_put(&wheel, t);
}

static void test_a_timer_that_restarts_itself_runs_once_a_tick(void **state)
{
	(void)state;
	reset_wheel(START_MS);
	timers[0].on_due = put_again_at_once;
	put_again_at_once(&timers[0]);
	wheel_advance(&wheel, START_MS + 100);
	assert_int_equal(fired, 101);
	wheel_clear(&wheel);
	assert_false(timer_running(&timers[0]));
}

static void test_a_timer_without_end_is_held(void **state)
{
	(void)state;
	reset_wheel(START_MS);
	timers[0].due_ms = UINT64_MAX;
	wheel_put(&wheel, &timers[0]);
	wheel_advance(&wheel, START_MS + (1ULL << 40));
	assert_int_equal(fired, 0);
	assert_true(timer_running(&timers[0]));
}

/* --- the loop --- */

struct flag_timer {
	struct timer timer;
	struct loop *loop;
	bool due;
};

static void set_due(struct timer *t)
{
	container_of(t, struct flag_timer, timer)->due = true;
}

static void test_a_timer_of_the_loop_is_not_early_and_wakes_it(void **state)
{
	struct flag_timer f = { .timer.on_due = set_due };
	uint64_t start;

	start = clock_now_ns();
	timer_start(*state, &f.timer, 20);
	for (int i = 0; i < TURN_MAX && !f.due; i++)
		assert_int_equal(loop_turn(*state, -1), 0);
	assert_true(f.due);
	assert_true(clock_now_ns() - start >= 20 * NS_PER_MS - NS_PER_MS);
	assert_true(loop_now_ns(*state) >= start + 19 * NS_PER_MS);
}

static void test_a_turn_waits_no_longer_than_told(void **state)
{
	struct flag_timer f = { .timer.on_due = set_due };

	timer_start(*state, &f.timer, 1000000);
	assert_int_equal(loop_turn(*state, 0), 0);
	assert_int_equal(loop_turn(*state, 1), 0);
	assert_false(f.due);
	timer_stop(&f.timer);
}

struct peer {
	struct watch watch;
	struct loop *loop;
	struct peer *victim;
	uint32_t events;
	unsigned int calls;
};

static void note_events(struct watch *w, uint32_t events)
{
	struct peer *p = container_of(w, struct peer, watch);

	p->events |= events;
	p->calls++;
	if (p->victim && p->victim->watch.fd >= 0) {
		loop_del(p->loop, &p->victim->watch);
		p->victim->watch.fd = -1;
	}
}

static void test_a_deleted_watch_gets_no_event_of_the_same_turn(void **state)
{
	struct peer a = { .loop = *state }, b = { .loop = *state };
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
	a.watch = (struct watch) { .fd = sv[0], .on_event = note_events };
	b.watch = (struct watch) { .fd = sv[1], .on_event = note_events };
	a.victim = &b; /* whoever comes first deletes the other: both are writable at once */
	b.victim = &a;
	assert_int_equal(loop_add(*state, &a.watch), 0);
	assert_int_equal(loop_add(*state, &b.watch), 0);
	assert_int_equal(loop_turn(*state, WAIT_MS), 0);
	assert_int_equal(loop_turn(*state, 0), 0);
	assert_int_equal(a.calls + b.calls, 1);
	close(sv[0]);
	close(sv[1]);
}

static void test_events_say_what_happened_and_come_once(void **state)
{
	struct peer p = { .loop = *state };
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
	p.watch = (struct watch) { .fd = sv[0], .on_event = note_events };
	assert_int_equal(loop_add(*state, &p.watch), 0);
	loop_turn(*state, 0);
	assert_int_equal(p.events, LOOP_WRITE);
	assert_int_equal(write(sv[1], "x", 1), 1);
	loop_turn(*state, WAIT_MS);
	assert_int_equal(p.events, LOOP_WRITE | LOOP_READ);
	loop_turn(*state, 0); /* edge-triggered: not read, not told again */
	assert_int_equal(p.calls, 2);
	shutdown(sv[1], SHUT_WR);
	loop_turn(*state, WAIT_MS);
	assert_int_equal(p.events, LOOP_WRITE | LOOP_READ | LOOP_HUP);
	loop_del(*state, &p.watch);
	close(sv[0]);
	close(sv[1]);
}

static void test_adding_a_bad_descriptor_fails(void **state)
{
	struct watch w = { .fd = -1 };

	assert_int_equal(loop_add(*state, &w), -EBADF);
}

struct counting {
	struct deferred deferred;
	struct loop *loop;
	unsigned int runs, again;
	struct deferred *cancel;
};

static void count_run(struct deferred *d)
{
	struct counting *c = container_of(d, struct counting, deferred);

	c->runs++;
	if (c->again) {
		c->again--;
		loop_defer(c->loop, d);
	}
	if (c->cancel)
		loop_undefer(c->cancel);
}

static void test_deferreds_run_once_in_order_and_can_be_cancelled(void **state)
{
	struct counting a = { .deferred.run = count_run, .loop = *state };
	struct counting b = { .deferred.run = count_run, .loop = *state };

	a.cancel = &b.deferred;
	loop_undefer(&a.deferred);
	loop_defer(*state, &a.deferred);
	loop_defer(*state, &a.deferred);
	loop_defer(*state, &b.deferred);
	loop_turn(*state, -1); /* does not wait while something is deferred */
	loop_turn(*state, 0);
	assert_int_equal(a.runs, 1);
	assert_int_equal(b.runs, 0);
	assert_false(b.deferred.queued);
}

static void test_a_deferred_that_queues_itself_does_not_keep_the_turn(void **state)
{
	struct counting a = { .deferred.run = count_run, .loop = *state, .again = 1000 };

	loop_defer(*state, &a.deferred);
	loop_turn(*state, -1);
	assert_in_range(a.runs, 1, 4);
	while (a.again)
		loop_turn(*state, -1);
	loop_turn(*state, -1);
	assert_int_equal(a.runs, 1001);
}

static void stop_loop(struct timer *t)
{
	loop_stop(container_of(t, struct flag_timer, timer)->loop);
}

static void test_run_goes_on_until_stopped(void **state)
{
	struct flag_timer f = { .timer.on_due = stop_loop, .loop = *state };

	timer_start(*state, &f.timer, 1);
	assert_int_equal(loop_run(*state), 0);
	loop_stop(*state); /* before: run returns at once */
	assert_int_equal(loop_run(*state), 0);
}

static int last_signal;

static void note_signal(struct signals *s, int signo)
{
	(void)s;
	last_signal = signo;
}

static void test_a_signal_is_an_event(void **state)
{
	struct signals s;
	sigset_t set, old;

	sigprocmask(SIG_SETMASK, NULL, &old);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	assert_int_equal(signals_open(&s, *state, &set, note_signal), 0);
	kill(getpid(), SIGTERM);
	for (int i = 0; i < TURN_MAX && !last_signal; i++)
		loop_turn(*state, WAIT_MS);
	assert_int_equal(last_signal, SIGTERM);
	signals_close(&s, *state);
	signals_close(&s, *state);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_timer_fires_in_its_tick_however_the_time_jumps),
		cmocka_unit_test(test_the_next_tick_is_never_after_a_due_timer),
		cmocka_unit_test(test_stopped_timers_do_not_fire_and_leave_nothing_to_wait_for),
		cmocka_unit_test(test_a_timer_may_stop_another_of_the_same_tick),
		cmocka_unit_test(test_a_timer_that_restarts_itself_runs_once_a_tick),
		cmocka_unit_test(test_a_timer_without_end_is_held),
#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		LOOP_TEST(test_a_timer_of_the_loop_is_not_early_and_wakes_it),
		LOOP_TEST(test_a_turn_waits_no_longer_than_told),
		LOOP_TEST(test_a_deleted_watch_gets_no_event_of_the_same_turn),
		LOOP_TEST(test_events_say_what_happened_and_come_once),
		LOOP_TEST(test_adding_a_bad_descriptor_fails),
		LOOP_TEST(test_deferreds_run_once_in_order_and_can_be_cancelled),
		LOOP_TEST(test_a_deferred_that_queues_itself_does_not_keep_the_turn),
		LOOP_TEST(test_run_goes_on_until_stopped),
		LOOP_TEST(test_a_signal_is_an_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
