/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "conf.h"

/*
 * What is allowed and seldom meant, each at its place in the file: limits in bytes that merged packets
 * never pass, limits that no packet meets, plans without limits. Initialises warnings.
 */
void conf_warn(const struct conf *conf, struct conf_errors *warnings);
