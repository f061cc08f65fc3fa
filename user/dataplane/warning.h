/* SPDX-License-Identifier: BSD-2-Clause */
/* What an operator should know about the devices: half of the field's support threads. */
#pragma once

struct dataplane;

/* Add a line to the warnings; what is over DATAPLANE_WARNINGS_MAX is dropped. */
void warning_add(struct dataplane *dp, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Before the namespace is noted: what an agent of another network namespace left on its devices. */
void warning_check_netns(struct dataplane *dp);
/* After load: the kernel. Once. */
void warning_check_kernel(struct dataplane *dp);
/* After attach: every device, anew. */
void warning_check_devices(struct dataplane *dp);
