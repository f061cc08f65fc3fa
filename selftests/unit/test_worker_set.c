/* SPDX-License-Identifier: BSD-2-Clause */
/* A worker that is somebody else's by now, and speaks to the supervisor over the real socketpair. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/worker_set.h"
#include "base/clock.h"
#include "net/ipc.h"

#define WORKER_PID  4242
#define PATIENCE_NS (10 * NS_PER_S)

/* The supervisor's side, a monitor that does as it is asked, and the worker's end. */
static struct world {
	struct loop *loop;
	struct monitor_link link;
	struct memory memory;
	struct conf conf;
	struct worker_set set;
	pthread_t monitor;
	int monitor_fd, worker;
	_Atomic unsigned int kills;
	_Atomic int killed_pid;
	size_t reports, rows, peers;
	uint32_t last_slot;
	uint32_t format; /* that the worker speaks; 0: ours */
} world;

static void *play_monitor(void *arg)
{
	struct monitor_request r;
	struct ipc_msg msg;
	int ret;

	(void)arg;
	while ((ret = ipc_recv(world.monitor_fd, &msg)) == 1 || ret == -EAGAIN) {
		if (ret == -EAGAIN) {
			usleep(100);
			continue;
		}
		memcpy(&r, msg.payload, sizeof(r));
		if (msg.type == MONITOR_KILL) {
			atomic_store(&world.killed_pid, r.pid);
			atomic_fetch_add(&world.kills, 1);
		}
		r.status = 0;
		ipc_send(world.monitor_fd, msg.type, &r, sizeof(r), NULL, 0);
		ipc_msg_clear(&msg);
	}
	return NULL;
}

static void on_monitor(struct monitor_link *l, uint32_t type, const struct monitor_request *r,
		       const int *fds, size_t n)
{
	(void)l;
	(void)type;
	(void)r;
	while (n)
		close(fds[--n]);
}

static void on_refusals(uint32_t slot, struct worker_refusal *r, size_t n, void *ctx)
{
	(void)r;
	(void)ctx;
	world.last_slot = slot;
	world.reports++;
	world.rows += n;
}

static void on_peers(uint32_t slot, const struct addr *peers, size_t n, void *ctx)
{
	(void)peers;
	(void)ctx;
	world.last_slot = slot;
	world.peers += n;
}

static void on_drained(void *ctx)
{
	(void)ctx;
}

static int kept(const char *name, void *ctx)
{
	(void)name;
	(void)ctx;
	return -1;
}

static int keep(const char *name, int fd, void *ctx)
{
	(void)name;
	(void)fd;
	(void)ctx;
	return 0;
}

static int start(void **state)
{
	static const struct memory_keeper keeper = { kept, keep, NULL };
	static const struct worker_set_events events = { on_refusals, on_peers, on_drained, NULL };
	struct errmsg err;
	int pair[2], link[2];

	(void)state;
	memset(&world, 0, sizeof(world));
	assert_int_equal(loop_new(&world.loop), 0);
	assert_int_equal(ipc_pair(link), 0);
	world.monitor_fd = link[1];
	assert_int_equal(pthread_create(&world.monitor, NULL, play_monitor, NULL), 0);
	assert_int_equal(monitor_link_open(&world.link, world.loop, link[0], on_monitor), 0);
	assert_int_equal(memory_open(&world.memory, 0, 2, &keeper, &err), 0);
	assert_int_equal(memory_open_shared(&world.memory, NULL, 16, &keeper, &err), 0);
	worker_set_init(&world.set, world.loop, &world.link, &world.memory, &events);
	world.set.n = 2;
	worker_set_revise(&world.set, 7, &world.conf, ipc_blob_new("revision", "x", 1));
	assert_int_equal(ipc_pair(pair), 0);
	world.worker = pair[1];
	worker_set_adopt(&world.set, 1, WORKER_PID, pair[0]);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	close(world.worker);
	shutdown(world.monitor_fd, SHUT_RDWR);
	pthread_join(world.monitor, NULL);
	close(world.monitor_fd);
	close(world.link.watch.fd);
	for (uint32_t i = 0; i < MESSAGE_SLOTS_MAX; i++) {
		if (world.set.row[i].watch.fd >= 0)
			close(world.set.row[i].watch.fd);
	}
	close(world.set.blob_fd);
	for (uint32_t i = 0; i < MEMORY_PAGES_MAX; i++)
		ring_free(world.memory.slot[i].ring);
	loop_free(world.loop);
	return 0;
}

static void say(uint32_t type, uint64_t revision)
{
	struct worker_state s = { .revision = revision,
				  .oldest_revision = revision,
				  .format = world.format ? world.format : MESSAGE_FORMAT };

	assert_int_equal(ipc_send(world.worker, type, &s, sizeof(s), NULL, 0), 0);
}

static void turn(void)
{
	assert_int_equal(loop_turn(world.loop, 1), 0);
}

static const struct worker_set_row *row(void)
{
	return &world.set.row[1];
}

static uint64_t count(enum counter c)
{
	return counters_get(world.memory.counters, c);
}

#define WAIT_FOR(condition)                                           \
	do {                                                          \
		const uint64_t end_ns = clock_now_ns() + PATIENCE_NS; \
		while (!(condition) && clock_now_ns() < end_ns)       \
			turn();                                       \
		assert_true(condition);                               \
	} while (0)

/* How many messages of this type the supervisor has sent. */
static unsigned int received(uint32_t type)
{
	struct ipc_msg msg;
	unsigned int n = 0;

	while (ipc_recv(world.worker, &msg) == 1) {
		n += msg.type == type;
		ipc_msg_clear(&msg);
	}
	return n;
}

static void the_first_hello_brings_memory_and_the_second_the_end(void **state)
{
	(void)state;
	say(WORKER_HELLO, 0);
	WAIT_FOR(row()->hello && row()->sent == 7);
	assert_int_equal(received(WORKER_MEMORY), 1);
	say(WORKER_HELLO, 0);
	WAIT_FOR(world.kills == 1);
	assert_int_equal(world.killed_pid, WORKER_PID);
	assert_int_equal(received(WORKER_MEMORY), 0);
	assert_int_equal(count(COUNTER_KILLED_PROTOCOL), 1);
	assert_int_equal(row()->watch.fd, -1);
}

static void send_nothing_known(void)
{
	say(9999, 0);
}

static void send_a_torn_report(void)
{
	ipc_send(world.worker, WORKER_REFUSALS, "torn", 4, NULL, 0);
}

static void send_a_torn_peer(void)
{
	ipc_send(world.worker, WORKER_PEERS, "a peer of 17 byte", 17, NULL, 0);
}

static void send_no_peer(void)
{
	ipc_send(world.worker, WORKER_PEERS, "", 0, NULL, 0);
}

static void send_a_short_state(void)
{
	ipc_send(world.worker, WORKER_STATE, "short", 5, NULL, 0);
}

static void send_half_a_header(void)
{
	assert_int_equal(send(world.worker, "abc", 3, 0), 3);
}

static void send_a_descriptor(void)
{
	struct worker_state s = { 0 };
	int fd = STDIN_FILENO;

	ipc_send(world.worker, WORKER_STATE, &s, sizeof(s), &fd, 1);
}

static void whoever_breaks_the_protocol_is_ended(void **state)
{
	static const struct {
		const char *name;
		void (*send)(void);
	} breaches[] = {
		{ "a type that there is not", send_nothing_known },
		{ "refusals that are no whole rows", send_a_torn_report },
		{ "a peer and a byte", send_a_torn_peer },
		{ "a list of no peers", send_no_peer },
		{ "a state of another size", send_a_short_state },
		{ "half a header", send_half_a_header },
		{ "a descriptor", send_a_descriptor },
	};

	for (size_t i = 0; i < sizeof(breaches) / sizeof(breaches[0]); i++) {
		print_message("%s\n", breaches[i].name);
		if (i) {
			stop(state);
			start(state);
		}
		say(WORKER_HELLO, 0);
		WAIT_FOR(row()->hello);
		assert_int_equal(world.kills, 0);
		breaches[i].send();
		WAIT_FOR(world.kills == 1);
		assert_int_equal(world.reports, 0);
		assert_int_equal(world.peers, 0);
	}
}

static void peers_are_those_of_the_socket_they_came_on(void **state)
{
	struct addr peers[250] = { 0 };

	(void)state;
	say(WORKER_HELLO, 0);
	ipc_send(world.worker, WORKER_PEERS, peers, sizeof(peers), NULL, 0);
	WAIT_FOR(world.peers == 250);
	assert_int_equal(world.last_slot, 1);
	assert_int_equal(world.kills, 0);
}

static void nothing_counts_before_hello(void **state)
{
	struct worker_refusal r = { .count = 1 };

	(void)state;
	ipc_send(world.worker, WORKER_REFUSALS, &r, sizeof(r), NULL, 0);
	WAIT_FOR(world.kills == 1);
	assert_int_equal(world.reports, 0);
}

static void use_deadlines(uint32_t silent, uint32_t behind)
{
	world.set.deadlines = (struct worker_set_deadlines) { 1, silent, behind };
	timer_start(world.loop, &world.set.tick, 1);
}

static void one_that_never_speaks_is_ended(void **state)
{
	(void)state;
	use_deadlines(5, 1000000);
	WAIT_FOR(world.kills == 1);
	assert_int_equal(count(COUNTER_KILLED_SILENT), 1);
}

static void one_that_falls_silent_is_ended(void **state)
{
	(void)state;
	say(WORKER_HELLO, 0);
	WAIT_FOR(row()->sent == 7);
	say(WORKER_APPLIED, 7);
	WAIT_FOR(row()->answered == 7);
	use_deadlines(5, 1000000);
	WAIT_FOR(world.kills == 1);
	assert_int_equal(count(COUNTER_KILLED_SILENT), 1);
}

static void one_that_speaks_but_never_applies_is_ended(void **state)
{
	(void)state;
	say(WORKER_HELLO, 0);
	WAIT_FOR(row()->sent == 7);
	use_deadlines(1000000, 10);
	while (!world.kills && row()->behind <= 10) {
		say(WORKER_STATE, 0);
		turn();
	}
	WAIT_FOR(world.kills == 1);
	assert_int_equal(count(COUNTER_KILLED_LATE), 1);
}

static void one_that_says_how_it_is_lives(void **state)
{
	(void)state;
	say(WORKER_HELLO, 0);
	WAIT_FOR(row()->sent == 7);
	say(WORKER_APPLIED, 7);
	WAIT_FOR(row()->answered == 7);
	use_deadlines(1000, 1000);
	for (int i = 0; i < 20; i++) {
		WAIT_FOR(row()->silent >= 2);
		say(WORKER_STATE, 7);
		WAIT_FOR(row()->silent < 2);
	}
	assert_int_equal(world.kills, 0);
	assert_int_equal(world.set.info[1].revision, 7);
}

static void a_flood_is_read_in_parts_and_to_its_end(void **state)
{
	struct worker_refusal r = { .count = 1 };
	size_t sent = 0;

	(void)state;
	say(WORKER_HELLO, 0);
	WAIT_FOR(row()->hello);
	while (ipc_send(world.worker, WORKER_REFUSALS, &r, sizeof(r), NULL, 0) == 0)
		sent++;
	assert_true(sent > 100);
	turn();
	assert_true(world.reports > 0 && world.reports <= 64);
	WAIT_FOR(world.reports == sent);
	assert_int_equal(world.last_slot, 1);
	assert_int_equal(world.kills, 0);
}

static void an_answer_that_nobody_asked_for_is_none(void **state)
{
	(void)state;
	say(WORKER_HELLO, 0);
	WAIT_FOR(row()->sent == 7);
	say(WORKER_APPLIED, UINT64_MAX);
	say(WORKER_STATE, 3);
	WAIT_FOR(row()->oldest == 3); /* both were read */
	assert_int_equal(row()->answered, 0);
	assert_int_equal(world.set.info[1].revision, 0);
	say(WORKER_APPLIED, 7);
	WAIT_FOR(row()->answered == 7);
	assert_int_equal(world.set.info[1].revision, 7);
	assert_int_equal(worker_set_current(&world.set), 1);
}

static void say_applied(int fd, int status)
{
	struct worker_state s = { .revision = 7, .status = status, .text = "no\x1b[2J" };

	assert_int_equal(ipc_send(fd, WORKER_APPLIED, &s, sizeof(s), NULL, 0), 0);
}

/* Workers 0 to 2 answer so; what comes of the revision. */
static int answer(const int status[3], struct errmsg *err)
{
	const struct worker_state hello = { 0 };
	int pair[2], other[2], ret;

	world.set.n = 3;
	for (uint32_t slot = 0; slot < 3; slot += 2) {
		assert_int_equal(ipc_pair(pair), 0);
		other[slot / 2] = pair[1];
		worker_set_adopt(&world.set, slot, WORKER_PID + 1, pair[0]);
		ipc_send(pair[1], WORKER_HELLO, &hello, sizeof(hello), NULL, 0);
	}
	say(WORKER_HELLO, 0);
	WAIT_FOR(world.set.row[0].sent == 7 && row()->sent == 7 && world.set.row[2].sent == 7);
	say_applied(other[0], status[0]);
	say_applied(world.worker, status[1]);
	say_applied(other[1], status[2]);
	ret = worker_set_wait(&world.set, 10000, err);
	close(other[0]);
	close(other[1]);
	return ret;
}

static void one_worker_does_not_stand_in_the_way_of_a_change(void **state)
{
	struct errmsg err;

	(void)state;
	assert_int_equal(answer((const int[]) { 0, -EINVAL, 0 }, &err), 0);
	assert_int_equal(row()->sent, 0); /* it is offered again */
	assert_true(timer_running(&row()->respawn));
	assert_int_equal(worker_set_current(&world.set), 2);
}

static void what_most_refuse_is_refused(void **state)
{
	struct errmsg err;

	(void)state;
	assert_int_equal(answer((const int[]) { -EINVAL, -EINVAL, 0 }, &err), -EINVAL);
	assert_non_null(strstr(err.text, "refused revision 7: no?[2J")); /* on a terminal */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

/* It is one of the program before this one, in the other half of the slots. */
static void become_old(void)
{
	worker_set_begin_at(&world.set, MESSAGE_WORKERS_MAX);
}

static void a_worker_of_the_program_before_leaves_once_ours_serve(void **state)
{
	struct supervisor_worker list[SUPERVISOR_WORKERS_MAX];

	(void)state;
	become_old();
	say(WORKER_HELLO, 6);
	WAIT_FOR(row()->hello && row()->sent == 7);
	/* what is revoked is revoked there, too; it needs no socket and has its memory */
	assert_int_equal(received(WORKER_REVISION), 1);
	say(WORKER_STATE, 6);
	WAIT_FOR(world.set.info[1].connections == 0 && worker_set_oldest(&world.set) == 6);
	assert_int_equal(worker_set_current(&world.set), 0);
	worker_set_retire(&world.set);
	assert_int_equal(received(WORKER_RETIRE), 1);
	assert_int_equal(worker_set_list(&world.set, list, SUPERVISOR_WORKERS_MAX), 3);
	assert_true(list[2].leaving && list[2].slot == 1 && list[2].pid == WORKER_PID);
	assert_false(list[0].leaving || list[1].leaving);
	worker_set_exited(&world.set, 1, WORKER_PID, 0);
	assert_int_equal(worker_set_list(&world.set, list, SUPERVISOR_WORKERS_MAX), 2);
	assert_int_equal(count(COUNTER_RESTARTS_WORKER), 0);
	assert_int_equal(worker_set_oldest(&world.set), 7);
}

static void one_of_another_format_is_told_to_leave_and_nothing_else(void **state)
{
	(void)state;
	become_old();
	worker_set_retire(&world.set);
	world.format = MESSAGE_FORMAT + 1;
	say(WORKER_HELLO, 6);
	WAIT_FOR(row()->foreign);
	assert_int_equal(received(WORKER_RETIRE), 1);
	worker_set_revise(&world.set, 8, &world.conf, ipc_blob_new("revision", "x", 1));
	assert_int_equal(received(WORKER_REVISION), 0);
}

/* Not even its hello is understood: no reason to end it, it would take its connections along. */
static void nor_is_one_ended_that_speaks_another_way(void **state)
{
	(void)state;
	become_old();
	send_a_short_state();
	WAIT_FOR(row()->foreign);
	worker_set_retire(&world.set);
	assert_int_equal(received(WORKER_RETIRE), 1);
	send_nothing_known();
	turn();
	assert_int_equal(world.kills, 0);
	assert_true(row()->watch.fd >= 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_hello_brings_memory_and_the_second_the_end),
		TEST(whoever_breaks_the_protocol_is_ended),
		TEST(peers_are_those_of_the_socket_they_came_on),
		TEST(nothing_counts_before_hello),
		TEST(one_that_never_speaks_is_ended),
		TEST(one_that_falls_silent_is_ended),
		TEST(one_that_speaks_but_never_applies_is_ended),
		TEST(one_that_says_how_it_is_lives),
		TEST(a_flood_is_read_in_parts_and_to_its_end),
		TEST(an_answer_that_nobody_asked_for_is_none),
		TEST(one_worker_does_not_stand_in_the_way_of_a_change),
		TEST(what_most_refuse_is_refused),
		TEST(a_worker_of_the_program_before_leaves_once_ours_serve),
		TEST(one_of_another_format_is_told_to_leave_and_nothing_else),
		TEST(nor_is_one_ended_that_speaks_another_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
