/* SPDX-License-Identifier: BSD-2-Clause */
/* What an open dataplane holds. For the files of this folder only. */
#pragma once

#include "dataplane.h"
#include "diagnose.h"
#include "map_move.h"
#include "pinned_map.h"

#define DATAPLANE_MAPS_MAX 80

struct bpf_object;
struct capture_map;
struct device_watch;
struct event_map;
struct explain;
struct flow_list;
struct limit_map;
struct meter_map;
struct probe_way;
struct source_table;
struct steer_map;
struct vip_map;

/* What the configuration asks of a device, and what became of it. */
struct device {
	struct conf_device want; /* want.name is state.name */
	struct dataplane_device state;
	int link_fd;	  /* -1: none, or held by a netlink attachment */
	int egress_fd;	  /* of the link on what goes out; -1: none, or a filter */
	int native_error; /* why native XDP was refused when auto fell back to generic */
};

/* A loaded program, and how it had to be loaded. */
struct program {
	int fd;
	uint32_t id;
	bool frags; /* XDP: takes packets of more than one buffer */
	int bss_fd; /* its variables, for who explains it; 0: none is kept */
};

struct dataplane {
	int dir_fd;
	struct conf_dataplane conf; /* numbers only: devices is NULL */
	bool adopted;
	bool is_filling;  /* no packet meets its new maps yet */
	bool steer_waits; /* sk_lookup goes on with its old maps until the new ones have sockets */
	struct errmsg layout_line; /* of dataplane_layout */
	struct errmsg forgotten;   /* the same, for `status`: what was made anew; "": nothing */

	struct pinned_map maps[DATAPLANE_MAPS_MAX];
	size_t n_maps;

	struct program xdp;
	struct program tc;
	struct program egress;
	struct program sk_lookup; /* fd -1: the kernel has none, steer_why says why */
	char steer_why[256];
	bool egress_wanted;

	struct device *devices;
	struct dataplane_device *states; /* copies for dataplane_devices() */
	size_t n_devices;

	struct diagnose_lines warnings;
	size_t n_warnings_load;	    /* the first ones: made by dataplane_open */
	struct diagnose_lines told; /* those of them that the log has */
	uint32_t diagnose_checks;   /* of the device watch until it looks again; 0: it does not */

	uint64_t verdicts_refused;
	bool verdict_filter_exact;  /* it has no bit that no verdict needs */
	uint64_t drop_cache_factor; /* secret, of the programs loaded */
	bool guard_own;		    /* the kernel has what SYN cookies for its listeners need */
	bool guard_vips;	    /* and what checks for vips need */
	bool guard_is_used;
	bool quic_encryption;	     /* the kernel has ciphers for programs */
	struct bpf_object *quic_key; /* makes them; NULL: no vip has a key */
	bool guard_own_is_used;
	uint64_t meters_refused;
	uint64_t limit_flipped_ns; /* when a limit class was flipped last */
	struct libxdp_way way;
	struct device_watch *watch;
	struct event_map *event;
	struct explain *explain;     /* NULL: nobody has asked of late */
	struct probe_way *probe_way; /* NULL: no health check asks for it */
	struct capture_map *capture;
	struct limit_map *limit;
	struct errmsg concurrent_why; /* connections are not counted though they should; "" */
	struct meter_map *meter;
	struct source_table *source;
	uint8_t acl_origin[3]; /* by enum acl_list: of the list as it was applied */
	struct vip_map *vip;
	struct flow_list *flow_lists; /* that are being read */
	struct steer_map *steer;
	struct map_moves moves;
};
