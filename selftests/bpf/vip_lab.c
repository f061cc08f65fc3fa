/* SPDX-License-Identifier: BSD-2-Clause */
#include "vip_lab.h"

#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int vip_socket(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(VIP_LAB_PORT) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int room_bytes = 1 << 20;

	assert_true(fd >= 0);
	/* 6.1 charges a page for each redirected frame: all flows at once are over the default. */
	assert_int_equal(
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room_bytes, sizeof(room_bytes)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void host_open(struct vip_lab *w, int i)
{
	static char names[VIP_LAB_HOSTS][4] = { "b0", "b1" };
	char here[16], address[32];

	w->netns[i] = lab_netns_new();
	snprintf(here, sizeof(here), "edge%d", i + 1);
	snprintf(address, sizeof(address), "10.0.%d.11/24", i + 1);
	lab_host(w->netns[i], here, "eth0", address);
	lab_run("ip addr add 10.0.%d.1/24 dev %s", i + 1, here);
	lab_enter(w->netns[i]);
	lab_run("ip addr add " VIP_LAB_VIP "/32 dev lo && ip route add default dev eth0 && "
		"sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0");
	w->socket[i] = vip_socket();
	lab_enter(w->lab->netns);
	snprintf(address, sizeof(address), "10.0.%d.11", i + 1);
	w->backend[i] = (struct conf_backend) { .name = names[i],
						.address = lab_addr(address),
						.weight = 1 };
}

int vip_lab_open(void **state)
{
	struct vip_lab *w = calloc(1, sizeof(*w));
	int i;

	assert_non_null(w);
	lab_open((void **)&w->lab);
	for (i = 0; i < VIP_LAB_HOSTS; i++)
		host_open(w, i);
	w->device = (struct conf_device) { .name = "edge0" };
	w->conf_dp = lab_conf(&w->device);
	w->conf_dp.max_backends = 4; /* ids 1..3 */
	w->dp = lab_dataplane(w->lab, &w->conf_dp);
	assert_int_equal(dataplane_attach(w->dp, &w->conf_dp), 0);
	w->vip = (struct conf_vip) { .name = "web",
				     .address = lab_addr(VIP_LAB_VIP),
				     .port = VIP_LAB_PORT,
				     .protocol = IPPROTO_UDP,
				     .backends = w->backend,
				     .n_backends = VIP_LAB_HOSTS };
	w->conf = (struct conf) { .vips = &w->vip, .n_vips = 1 };
	*state = w;
	return 0;
}

int vip_lab_close(void **state)
{
	struct vip_lab *w = *state;
	int i;

	dataplane_close(w->dp);
	for (i = 0; i < VIP_LAB_HOSTS; i++) {
		close(w->socket[i]);
		close(w->netns[i]);
	}
	lab_close((void **)&w->lab);
	free(w);
	return 0;
}

void vip_lab_apply(struct vip_lab *w)
{
	struct errmsg err = { 0 };

	if (vip_map_apply(w->dp, w->lab->loop, &w->conf, &err))
		fail_msg("vip_map_apply: %s", err.text);
}

struct vip_backend_state vip_lab_state(struct vip_lab *w, size_t i)
{
	struct vip_backend_state s[VIP_LAB_HOSTS];

	assert_true(vip_map_backends(w->dp, "web", s, VIP_LAB_HOSTS) > i);
	return s[i];
}

static uint32_t ring_size(const struct vip_lab *w)
{
	return w->vip.ring_size ? w->vip.ring_size : w->conf_dp.ring_size;
}

bool vip_lab_all_in_ring(void *ctx)
{
	struct vip_backend_state s[VIP_LAB_HOSTS];
	size_t n = vip_map_backends(((struct vip_lab *)ctx)->dp, "web", s, VIP_LAB_HOSTS), i;
	uint32_t slots = 0;

	for (i = 0; i < n; i++) {
		slots += s[i].slots;
		if (!s[i].ready || !s[i].slots)
			return false;
	}
	return n && slots == ring_size(ctx);
}

/* A datagram of each flow into client0. */
void vip_lab_send(void)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_ifindex = (int)if_nametoindex("client0"),
				  .sll_halen = 6 };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), i;

	assert_true(fd >= 0);
	for (i = 0; i < VIP_LAB_FLOWS; i++) {
		struct lab_frame f = lab_ipv4("198.51.100.7", VIP_LAB_VIP, 17,
					      (uint16_t)(20000 + i), VIP_LAB_PORT);

		assert_int_equal(sendto(fd, f.bytes, f.n, 0, (struct sockaddr *)&to, sizeof(to)),
				 f.n);
	}
	close(fd);
}

static bool have_arrived(void *ctx)
{
	struct vip_arrivals *a = ctx;
	struct sockaddr_in from;
	char byte[64];
	int i;

	for (i = 0; i < VIP_LAB_HOSTS; i++) {
		for (;;) {
			socklen_t len = sizeof(from);

			if (recvfrom(a->w->socket[i], byte, sizeof(byte), 0,
				     (struct sockaddr *)&from, &len) < 0)
				break;
			a->host[ntohs(from.sin_port) - 20000] = i;
			a->n++;
		}
	}
	return a->n >= VIP_LAB_FLOWS;
}

struct vip_arrivals vip_lab_exchange(struct vip_lab *w)
{
	struct vip_arrivals a = { .w = w };

	memset(a.host, 0xff, sizeof(a.host));
	vip_lab_send();
	lab_until(w->lab, have_arrived, &a);
	assert_int_equal(a.n, VIP_LAB_FLOWS);
	return a;
}

int vip_lab_share(const struct vip_arrivals *a, int host)
{
	int i, n = 0;

	for (i = 0; i < VIP_LAB_FLOWS; i++)
		n += a->host[i] == host;
	return n;
}

bool vip_lab_second_is_out(void *ctx)
{
	struct vip_lab *w = ctx;

	return vip_lab_state(w, 1).slots == 0 && vip_lab_state(w, 0).slots == ring_size(w);
}
