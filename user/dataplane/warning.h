/* SPDX-License-Identifier: BSD-2-Clause */
/* What an operator should know about the devices: half of the field's support threads. */
#pragma once

struct dataplane;

/* Before the namespace is noted: what an agent of another network namespace left on its devices. */
void warning_check_netns(struct dataplane *dp);
/* After attach: host and devices, anew. */
void warning_check(struct dataplane *dp);
