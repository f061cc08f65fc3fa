/* SPDX-License-Identifier: BSD-2-Clause */
/* Server ids of backends, as the maps get them: in line with who is to get packets, over restarts too. */
#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "dataplane/dataplane_state.h"
#include "dataplane/quic_map.h"
#include "dataplane/vip_state.h"
#include "packet.h"
#include "vip_lab.h"

static struct conf_quic kinds[] = {
	{ .config_id = 0, .server_id_bytes = 2, .nonce_bytes = 6 },
	{ .config_id = 3, .server_id_bytes = 4, .nonce_bytes = 4 },
};

/* The server id that host i has, in 2 and in 4 bytes. */
static const uint8_t id_2[VIP_LAB_HOSTS][2] = { { 0x0a, 1 }, { 0x0a, 2 } };
static const uint8_t id_4[VIP_LAB_HOSTS][4] = { { 0, 0, 0x0a, 1 }, { 0, 0, 0x0a, 2 } };

static int quic_open(void **state)
{
	int err = vip_lab_open(state), i;
	struct vip_lab *w = *state;

	for (i = 0; !err && i < VIP_LAB_HOSTS; i++) {
		w->backend[i].has_server_id = true;
		memcpy(w->backend[i].server_id + QUIC_SERVER_ID_MAX - 2, id_2[i], 2);
	}
	w->vip.quic = kinds;
	w->vip.n_quic = 1;
	return err;
}

/* The backend id that a server id has; 0: none. */
static uint32_t server(struct vip_lab *w, uint8_t config, const uint8_t *id, size_t bytes)
{
	struct quic_server key = { .vip_id = vip_map_id(w->dp, "web"), .config = config };
	uint32_t ret;

	memcpy(key.id, id, bytes);
	if (bpf_map_lookup_elem(pinned_map_fd(w->dp, "quic_servers"), &key, &ret))
		return 0;
	return ret;
}

static uint32_t count(struct vip_lab *w)
{
	uint32_t n;

	assert_int_equal(pinned_map_count(pinned_map_fd(w->dp, "quic_servers"), 0, &n), 0);
	return n;
}

static bool none_in_ring(void *ctx)
{
	struct vip_lab *w = ctx;

	return vip_lab_state(w, 0).slots == 0 && vip_lab_state(w, 1).slots == 0;
}

static void two_kinds_at_once(struct vip_lab *w)
{
	w->vip.n_quic = 2;
	vip_lab_apply(w);
	assert_int_equal(count(w), 4);
	assert_int_equal(server(w, 0, id_2[1], 2), vip_lab_state(w, 1).id);
	assert_int_equal(server(w, 3, id_4[1], 4), vip_lab_state(w, 1).id);
	w->vip.quic = kinds + 1;
	w->vip.n_quic = 1;
	vip_lab_apply(w);
	assert_int_equal(count(w), 2);
	assert_int_equal(server(w, 3, id_4[0], 4), vip_lab_state(w, 0).id);
	w->vip.n_quic = 0;
	vip_lab_apply(w);
	assert_int_equal(count(w), 0);
	w->vip.quic = kinds;
	w->vip.n_quic = 1;
	vip_lab_apply(w);
}

static void drained_ones_keep_theirs(struct vip_lab *w)
{
	w->backend[1].weight = 0;
	vip_lab_apply(w);
	lab_until(w->lab, vip_lab_second_is_out, w);
	assert_int_equal(server(w, 0, id_2[1], 2), vip_lab_state(w, 1).id);
	w->backend[1].weight = 1;
	w->backend[1].drain_by = UINT32_MAX;
	vip_lab_apply(w);
	assert_int_equal(server(w, 0, id_2[1], 2), vip_lab_state(w, 1).id);
	w->backend[1].drain_by = 0;
	vip_lab_apply(w);
	lab_until(w->lab, vip_lab_all_in_ring, w);
}

static void set_share(struct vip_lab *w, size_t backend, uint32_t share)
{
	assert_int_equal(vip_map_set_share(w->dp, &w->conf, 0, backend, share), 0);
}

static void who_is_down_has_none(struct vip_lab *w)
{
	w->vip.health.type = CONF_HEALTH_TCP;
	vip_lab_apply(w);
	set_share(w, 0, VIP_SHARE_FULL);
	set_share(w, 1, 0);
	lab_until(w->lab, vip_lab_second_is_out, w);
	assert_int_equal(server(w, 0, id_2[1], 2), 0);
	set_share(w, 1, 10);
	lab_until(w->lab, vip_lab_all_in_ring, w);
	assert_int_equal(server(w, 0, id_2[1], 2), vip_lab_state(w, 1).id);
}

/* Drained, both, and the first is down: no ring says so, and the server ids do. */
static void drain_all(struct vip_lab *w)
{
	w->backend[0].drain_by = UINT32_MAX;
	w->backend[1].drain_by = UINT32_MAX;
	set_share(w, 0, 0);
	vip_lab_apply(w);
	lab_until(w->lab, none_in_ring, w);
	assert_int_equal(count(w), 1);
}

/* Another agent, with maps of other sizes, finds two server ids that nobody has. */
static void what_was_left(struct vip_lab *w)
{
	struct quic_server strange = { .vip_id = 1, .config = 0, .id = { 9, 9 } };
	int fd = pinned_map_fd(w->dp, "quic_servers");
	uint32_t id = vip_lab_state(w, 0).id;

	assert_int_equal(bpf_map_update_elem(fd, &strange, &id, 0), 0);
	strange.config = 255;
	id = UINT32_MAX;
	assert_int_equal(bpf_map_update_elem(fd, &strange, &id, 0), 0);
	w->conf_dp.max_backends = 3;
	w->conf_dp.max_vips *= 2;
	dataplane_close(w->dp);
	w->dp = lab_dataplane(w->lab, &w->conf_dp);
	assert_int_equal(dataplane_attach(w->dp, &w->conf_dp), 0);
	assert_int_equal(count(w), 3);
	vip_lab_apply(w);
	assert_int_equal(vip_map_share(w->dp, &w->conf, 0, 0), 0);
	assert_int_equal(vip_map_share(w->dp, &w->conf, 0, 1), VIP_SHARE_FULL);
	assert_int_equal(count(w), 1);
	assert_int_equal(server(w, 0, id_2[1], 2), vip_lab_state(w, 1).id);
}

static void who_goes_takes_it_along(struct vip_lab *w)
{
	w->vip.health.type = CONF_HEALTH_NONE;
	vip_lab_apply(w);
	assert_int_equal(count(w), 2);
	w->vip.n_backends = 1;
	vip_lab_apply(w);
	assert_int_equal(count(w), 1);
	w->conf.n_vips = 0;
	vip_lab_apply(w);
	assert_int_equal(count(w), 0);
}

/* Nothing of a change is applied where the kernel has no ciphers, and the error says what it takes. */
static void a_key_needs_a_kernel(struct vip_lab *w)
{
	const bool has = w->dp->quic_encryption;
	struct conf_quic encrypted = kinds[0];
	struct errmsg err = { "" };
	uint32_t before = count(w);

	encrypted.key = (char *)(uintptr_t) "/key.pem";
	encrypted.has_secret = true;
	w->vip.quic = &encrypted;
	w->vip.n_backends = 1;
	w->dp->quic_encryption = false;
	assert_int_equal(vip_map_apply(w->dp, w->lab->loop, &w->conf, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "vips[web].quic.key"));
	assert_non_null(strstr(err.text, "6.10"));
	assert_int_equal(count(w), before);
	w->dp->quic_encryption = has;
	w->vip.n_backends = VIP_LAB_HOSTS;
	w->vip.quic = kinds;
}

/* By the bits of config rotations: ciphers that vip `id` has, as this process knows. */
static uint8_t ciphers(struct vip_lab *w, uint32_t id)
{
	return w->dp->vip->quic_keyed ? w->dp->vip->quic_keyed[id] : 0;
}

/* Server id 0x0a01 and a nonce of zeros, with the key of zeros, as selftests/harness/quic_lb.py has it. */
#define ENCRYPTED_0A01 0x01, 0xc8, 0xa8, 0x21, 0x5c, 0xe9, 0x9f, 0x25

/* Does the program in force find the first host by an encrypted id? */
static bool is_routed(struct vip_lab *w, uint32_t vip_id)
{
	static const uint8_t id[] = { 0x40, 0x08, ENCRYPTED_0A01 };
	const struct packet_spec spec = { .src = "198.51.100.7",
					  .dst = VIP_LAB_VIP,
					  .proto = IPPROTO_UDP,
					  .sport = 4000,
					  .dport = VIP_LAB_PORT,
					  .payload_bytes = 40 };
	struct stats_quic before, after;
	struct packet in;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in.bytes, .repeat = 1);

	packet_build(&spec, &in);
	memcpy(in.bytes + in.l4 + 8, id, sizeof(id));
	opts.data_size_in = in.len;
	assert_int_equal(quic_map_stats(w->dp, vip_id, &before), 0);
	assert_int_equal(bpf_prog_test_run_opts(w->dp->xdp.fd, &opts), 0);
	assert_int_equal(quic_map_stats(w->dp, vip_id, &after), 0);
	assert_int_equal(after.routed + after.unroutable + after.unknown,
			 before.routed + before.unroutable + before.unknown + 1);
	return after.routed > before.routed;
}

static void ciphers_come_and_go(struct vip_lab *w)
{
	struct conf_quic encrypted[2] = { kinds[0], kinds[1] };
	uint32_t id = vip_map_id(w->dp, "web");
	struct quic q;

	a_key_needs_a_kernel(w);
	if (!w->dp->quic_encryption)
		return;
	encrypted[0].key = encrypted[1].key = (char *)(uintptr_t) "/key.pem";
	encrypted[0].has_secret = encrypted[1].has_secret = true;
	w->vip.quic = encrypted;
	w->vip.n_quic = 2;
	vip_lab_apply(w);
	assert_int_equal(ciphers(w, id), 1U << 0 | 1U << 3);
	assert_int_equal(bpf_map_lookup_elem(pinned_map_fd(w->dp, "quic"), &id, &q), 0);
	assert_int_equal(q.nonce_bytes[0], 6 | QUIC_ENCRYPTED);
	assert_true(is_routed(w, id));
	/* Another agent, with maps of other sizes, whose file cannot be read: what is there stays. */
	w->conf_dp.max_vips += 5;
	dataplane_close(w->dp);
	w->dp = lab_dataplane(w->lab, &w->conf_dp);
	assert_true(is_routed(w, id));
	assert_int_equal(dataplane_attach(w->dp, &w->conf_dp), 0);
	encrypted[0].has_secret = encrypted[1].has_secret = false;
	w->vip.n_quic = 1;
	vip_lab_apply(w);
	assert_int_equal(ciphers(w, id), 1U << 0);
	assert_true(is_routed(w, id));
	w->vip.quic = kinds;
	vip_lab_apply(w);
	assert_int_equal(ciphers(w, id), 0);
}

/* One after the other with one lab: loading the programs is most of what this takes. */
static void server_ids_are_those_of_who_gets_packets(void **state)
{
	struct vip_lab *w = *state;
	uint32_t vip_id;
	struct quic q;

	vip_lab_apply(w);
	assert_int_equal(count(w), 0);
	lab_until(w->lab, vip_lab_all_in_ring, w);
	assert_int_equal(count(w), 2);
	assert_int_equal(server(w, 0, id_2[0], 2), vip_lab_state(w, 0).id);
	assert_int_equal(server(w, 0, id_2[1], 2), vip_lab_state(w, 1).id);
	vip_id = vip_map_id(w->dp, "web");
	assert_int_equal(bpf_map_lookup_elem(pinned_map_fd(w->dp, "quic"), &vip_id, &q), 0);
	assert_int_equal(q.server_id_bytes[0], 2);
	assert_int_equal(q.nonce_bytes[0], 6);
	assert_int_equal(q.server_id_bytes[3], 0);
	two_kinds_at_once(w);
	ciphers_come_and_go(w);
	lab_until(w->lab, vip_lab_all_in_ring, w);
	drained_ones_keep_theirs(w);
	who_is_down_has_none(w);
	drain_all(w);
	what_was_left(w);
	who_goes_takes_it_along(w);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, quic_open, vip_lab_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(server_ids_are_those_of_who_gets_packets),
	};

	return cmocka_run_group_tests_name("dataplane_quic", tests, NULL, NULL);
}
