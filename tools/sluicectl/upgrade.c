/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "answer.h"
#include "client.h"
#include "sluice/ctl/ctl.h"
#include "upgrade.h"

#define PAUSE_MS 100
#define TRIES	 600 /* large maps and lists take their time */

/* NULL: nobody answered. The socket itself stays, so that the request waits for the next agent. */
static json_t *ask(const char *socket)
{
	json_t *request = json_pack("{s:s,s:s}", CTL_KEY_NOUN, "status", CTL_KEY_VERB, "show");
	json_t *answer = NULL;
	struct client client;

	if (request && client_open(&client, socket) == 0) {
		(void)client_call(&client, request, &answer);
		client_close(&client);
	}
	json_decref(request);
	return answer;
}

static bool is_successor(const json_t *data, json_int_t before)
{
	return json_integer_value(json_object_get(data, "supervisor")) != before &&
	       json_is_true(json_object_get(data, "ready"));
}

int upgrade_await(const char *socket, const json_t *answer, bool json)
{
	const json_t *old = json_object_get(json_object_get(answer, CTL_KEY_DATA), "supervisor");
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };

	for (int i = 0; i < TRIES; i++) {
		json_t *status, *data;
		bool done;

		nanosleep(&pause, NULL);
		status = ask(socket);
		data = json_object_get(status, CTL_KEY_DATA);
		done = data && is_successor(data, json_integer_value(old));
		if (done && !json)
			printf("sluiced %s is in force\n",
			       json_string_value(json_object_get(data, "version")));
		json_decref(status);
		if (done)
			return EXIT_DONE;
	}
	fprintf(stderr,
		"sluicectl: it is not ready after %d s: see sluicectl status, and the "
		"agent's log\n",
		TRIES * PAUSE_MS / 1000);
	return EXIT_REFUSED;
}
