/* SPDX-License-Identifier: BSD-2-Clause */
/* What the guard makes of a kernel that lacks its helpers, and what is said of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/dataplane_state.h"
#include "dataplane/guard_map.h"

static bool has_all(enum bpf_func_id helper)
{
	(void)helper;
	return true;
}

static bool has_none(enum bpf_func_id helper)
{
	(void)helper;
	return false;
}

/* 5.18 and 5.19: cookies need a listener. */
static bool has_no_raw(enum bpf_func_id helper)
{
	return helper != BPF_FUNC_tcp_raw_gen_syncookie_ipv4 &&
	       helper != BPF_FUNC_tcp_raw_check_syncookie_ipv4;
}

/* Before 5.18 a cookie can be made, and not be put into the frame. */
static bool has_no_bytes(enum bpf_func_id helper)
{
	return helper != BPF_FUNC_xdp_load_bytes;
}

static const struct kernel {
	const char *sentence;
	bool (*has)(enum bpf_func_id helper);
	bool own, vips;
	const char *described, *warned;
} kernels[] = {
	{ "one that has all", has_all, true, true, "SYN cookies for listeners", NULL },
	{ "one without SYN cookies", has_none, false, false, "limits of SYNs only",
	  "cannot answer SYNs: limit connections instead" },
	{ "one without access to all of a frame", has_no_bytes, false, false, "limits of SYNs only",
	  "cannot answer SYNs: limit connections instead" },
	{ "one without cookies for vips", has_no_raw, true, false, "for vips limits of SYNs only",
	  "cannot answer SYNs to vips: limit connections" },
};

static bool is_warned(struct dataplane *dp, const char *what)
{
	char lines[GUARD_WARNINGS_MAX][256];
	size_t n = guard_map_warnings(dp, lines, GUARD_WARNINGS_MAX);

	for (size_t i = 0; i < n; i++)
		if (strstr(lines[i], what))
			return true;
	return false;
}

static void limits_take_over_where_helpers_are_missing(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++) {
		const struct kernel *k = &kernels[i];
		static struct dataplane dp;
		char text[200];

		print_message("%s\n", k->sentence);
		guard_map_probe_by(&dp, k->has);
		assert_int_equal(dp.guard_own, k->own);
		assert_int_equal(dp.guard_vips, k->vips);
		guard_map_describe(&dp, text, sizeof(text));
		assert_non_null(strstr(text, k->described));
		/* A guard that nobody wants lacks nothing. */
		dp.guard_is_used = false;
		assert_false(is_warned(&dp, "cannot answer"));
		dp.guard_is_used = true;
		assert_int_equal(is_warned(&dp, "cannot answer"), k->warned != NULL);
		if (k->warned)
			assert_true(is_warned(&dp, k->warned));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_take_over_where_helpers_are_missing),
	};

	return cmocka_run_group_tests_name("guard_map", tests, NULL, NULL);
}
