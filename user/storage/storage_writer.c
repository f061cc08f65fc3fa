/* SPDX-License-Identifier: BSD-2-Clause */
#include "storage_writer.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "storage_db.h"

/* Records of one transaction: one fsync for many, and edits of the loop get in between. */
#define BATCH 256

struct record {
	struct record *next;
	uint64_t wall_ns;
	const char *what; /* behind who */
	char who[];
};

struct storage_writer {
	struct storage *db; /* the thread's */
	pthread_t thread;
	pthread_mutex_t lock; /* held for pointers only, never over a write */
	pthread_cond_t filled;
	struct record *head, **tail;
	size_t waiting, max; /* waiting: queued, and those that are being written */
	bool stop;
	_Atomic uint64_t lost;
	_Atomic int error;
};

static int lose(struct storage_writer *w, size_t n, int error)
{
	atomic_store(&w->error, error);
	atomic_fetch_add(&w->lost, n);
	return error;
}

/* Up to BATCH records, oldest first, or NULL when all is written and the end has come. */
static struct record *take(struct storage_writer *w, size_t *ret_n)
{
	struct record *first, **last = &first;
	size_t n = 0;

	pthread_mutex_lock(&w->lock);
	while (!w->head && !w->stop)
		pthread_cond_wait(&w->filled, &w->lock);
	first = w->head;
	while (*last && n < BATCH) {
		last = &(*last)->next;
		n++;
	}
	w->head = *last;
	*last = NULL;
	if (!w->head)
		w->tail = &w->head;
	pthread_mutex_unlock(&w->lock);
	*ret_n = n;
	return first;
}

static void write_batch(struct storage_writer *w, const struct record *list, size_t n)
{
	struct storage_record rows[BATCH];
	size_t i = 0;
	int err;

	for (const struct record *r = list; r; r = r->next)
		rows[i++] = (struct storage_record) { r->wall_ns, r->who, r->what };
	err = storage_audit_add_all(w->db, rows, n);
	if (err)
		lose(w, n, err);
}

static void *run(void *arg)
{
	struct storage_writer *w = arg;
	struct record *list, *next;
	size_t n;

	while ((list = take(w, &n))) {
		write_batch(w, list, n);
		pthread_mutex_lock(&w->lock);
		w->waiting -= n;
		pthread_mutex_unlock(&w->lock);
		for (; list; list = next) {
			next = list->next;
			free(list);
		}
	}
	return NULL;
}

static int start_thread(struct storage_writer *w)
{
	sigset_t all, before;
	int err;

	sigfillset(&all); /* signals are the loop's */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -err;
}

static void writer_free(struct storage_writer *w)
{
	storage_close(w->db);
	pthread_cond_destroy(&w->filled);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

int storage_writer_start(struct storage *s, size_t max, struct storage_writer **ret)
{
	struct storage_writer *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	w->tail = &w->head;
	w->max = max < STORAGE_WRITER_RECORDS ? max : STORAGE_WRITER_RECORDS;
	pthread_mutex_init(&w->lock, NULL); /* with default attributes these cannot fail */
	pthread_cond_init(&w->filled, NULL);
	err = storage_open_again(s, &w->db);
	if (!err)
		err = start_thread(w);
	if (err) {
		writer_free(w);
		return err;
	}
	*ret = w;
	return 0;
}

static struct record *record_new(uint64_t wall_ns, const char *who, const char *what)
{
	size_t who_bytes = strlen(who) + 1, what_bytes = strlen(what) + 1;
	struct record *r = malloc(sizeof(*r) + who_bytes + what_bytes);

	if (!r)
		return NULL;
	r->next = NULL;
	r->wall_ns = wall_ns;
	r->what = memcpy(r->who + who_bytes, what, what_bytes);
	memcpy(r->who, who, who_bytes);
	return r;
}

static bool is_json(const char *text)
{
	json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
	const bool is = json != NULL;

	json_decref(json);
	return is;
}

int storage_writer_audit(struct storage_writer *w, uint64_t wall_ns, const char *who,
			 const char *what_json)
{
	struct record *r;
	bool full;

	if (strlen(who) + strlen(what_json) > STORAGE_WRITER_RECORD_BYTES)
		return lose(w, 1, -EMSGSIZE);
	if (!is_json(what_json)) /* here, so that it takes no others along */
		return lose(w, 1, -EINVAL);
	r = record_new(wall_ns, who, what_json);
	if (!r)
		return lose(w, 1, -ENOMEM);
	pthread_mutex_lock(&w->lock);
	full = w->waiting >= w->max;
	if (!full) {
		*w->tail = r;
		w->tail = &r->next;
		w->waiting++;
		pthread_cond_signal(&w->filled);
	}
	pthread_mutex_unlock(&w->lock);
	if (!full)
		return 0;
	free(r);
	return lose(w, 1, -ENOBUFS);
}

uint64_t storage_writer_lost(const struct storage_writer *w, int *error)
{
	if (error)
		*error = atomic_load(&w->error);
	return atomic_load(&w->lost);
}

size_t storage_writer_stop(struct storage_writer *w, uint32_t wait_ms)
{
	struct timespec until;
	size_t left;

	if (!w)
		return 0;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->filled);
	pthread_mutex_unlock(&w->lock);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += wait_ms / 1000;
	until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	if (pthread_timedjoin_np(w->thread, NULL, &until) == 0) {
		writer_free(w);
		return 0;
	}
	pthread_mutex_lock(&w->lock);
	left = w->waiting;
	pthread_mutex_unlock(&w->lock);
	return left;
}
