/* SPDX-License-Identifier: BSD-2-Clause */
#include "metric.h"

_Static_assert(METRIC_COUNTER_COUNT <=
		       sizeof(((struct metric_page *)0)->counter) / sizeof(uint64_t),
	       "metric_page.counter is too small");
_Static_assert(METRIC_STRIP_COUNT <= sizeof(((struct metric_page *)0)->stripped) / sizeof(uint64_t),
	       "metric_page.stripped is too small");

/* Writable before the process was given its page: tools and tests count too. */
static struct metric_page private_page;

struct metric_page *metric_page = &private_page;

void metric_use(struct metric_page *page)
{
	metric_page = page ? page : &private_page;
}

void metric_observe_us(struct metric_route *route, uint64_t us)
{
	static const uint64_t bounds[] = METRIC_BUCKET_BOUNDS_US;
	unsigned int i = 0;

	_Static_assert(sizeof(bounds) / sizeof(bounds[0]) == METRIC_BUCKETS - 1, "bucket bounds");
	while (i < METRIC_BUCKETS - 1 && us > bounds[i])
		i++;
	metric_add_to(&route->duration[i], 1);
	metric_add_to(&route->duration_sum_us, us);
}
