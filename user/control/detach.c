/* SPDX-License-Identifier: BSD-2-Clause */
/* detach: take Sluice out of the kernel. */
#include <stdio.h>
#include <string.h>

#include "request.h"

int control_detach(struct control_request *r)
{
	int err;

	if (strcmp(r->verb, "now") != 0)
		return request_no_verb(r);
	if (r->dry_run) {
		err = supervisor_can_detach(r->s, &r->err);
		if (err)
			return err;
		snprintf(r->text, sizeof(r->text), "would remove links and maps (dry run)");
		return 0;
	}
	err = supervisor_detach(r->s, &r->err);
	if (err < 0)
		return err;
	supervisor_audit(r->s, &r->who, json_pack("{s:s}", "noun", "detach"));
	snprintf(r->text, sizeof(r->text),
		 "links and maps are removed; the agent serves on without "
		 "the kernel half until it is restarted");
	return 0;
}
