/* SPDX-License-Identifier: BSD-2-Clause */
/* The host that packets of the benchmark come to: a network namespace with one listener. */
#pragma once

/*
 * Take this process there: a listener at 192.0.2.10, port FRAME_HOST_PORT, that answers every SYN by
 * a cookie. What fails ends the program, by name.
 */
void host_enter(void);
