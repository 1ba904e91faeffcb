/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packet plane: a thread that answers ARP requests and Neighbor Solicitations on packet
 * sockets, for nodes without BPF. Needs CAP_NET_RAW. What is answered, and until when, is decided
 * by responder.h; which frames get here, by the filters that TypeScript attaches.
 *
 * - Two sockets, bound to a protocol and to no interface: they outlive every interface, and what
 *   this host sends does not come back to them.
 * - A question that waited (a frozen process, a flood) is not answered: the kernel stamps it on
 *   arrival, and MAX_AGE later nobody waits for the answer any more.
 * - The lock covers the tables, never a system call.
 *
 * See docs/decisions/0010-packet-plane.md for the alternatives.
 */
#define _GNU_SOURCE
#include "packet.h"
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "userspace.h"

#define MAX_AGE 200000000ll /* ns */
#define ROOM 2048	    /* of a frame; the rest of a longer one is not repeated in the answer */
#define BATCH 16
#define MANY_FAILURES 8 /* in a row: then the thread rests between attempts */
#define REST_MS 100
#define SLICE 100000 /* ns */
#define RECEIVE_BYTES (1 << 20)
#define CONTROL \
	(CMSG_SPACE(sizeof(struct timespec)) + CMSG_SPACE(sizeof(struct tpacket_auxdata)))

enum { ARP, ND, WAKE, DESCRIPTORS };

struct packet {
	int fd[DESCRIPTORS];
	int memory;
	pthread_t thread;
	pthread_mutex_t lock; /* of tables */
	struct tables *tables;
	struct shared *shared;
	atomic_bool ending;
	/* Where a batch is received, and an answer made. */
	struct mmsghdr message[BATCH];
	struct iovec data[BATCH];
	struct sockaddr_ll from[BATCH];
	_Alignas(struct cmsghdr) __u8 control[BATCH][CONTROL];
	__u8 frame[BATCH][ROOM];
	__u8 reply[ROOM];
};

/* --- the thread --- */

static int transmit(struct packet *p, __u32 link, const void *frame, size_t length)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = link, .sll_halen = ETH_ALEN};
	if (length < ETH_HLEN)
		return -EINVAL;
	memcpy(&to.sll_protocol, (const __u8 *)frame + 12, 2);
	const struct sockaddr *at = (struct sockaddr *)&to;
	return sendto(p->fd[ARP], frame, length, MSG_DONTWAIT, at, sizeof to) < 0 ? -errno : 0;
}

/* By the kernel's clock of arrivals, which may be set: a wait of unknown length is too long. */
static bool is_stale(const struct timespec *arrival)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	long long age = (now.tv_sec - arrival->tv_sec) * 1000000000ll + now.tv_nsec - arrival->tv_nsec;
	return age > MAX_AGE || age < -MAX_AGE;
}

static void consider(struct packet *p, int n)
{
	struct msghdr *header = &p->message[n].msg_hdr;
	struct timespec arrival = {0};
	struct frame frame = {.tables = p->tables, .data = p->frame[n],
			      .length = p->message[n].msg_len, .link = p->from[n].sll_ifindex,
			      .kind = p->from[n].sll_pkttype};
	if (frame.kind == PACKET_OUTGOING || frame.kind == PACKET_LOOPBACK)
		return;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		struct tpacket_auxdata aux;
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS)
			memcpy(&arrival, CMSG_DATA(c), sizeof arrival);
		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof aux);
		frame.tagged = aux.tp_status & TP_STATUS_VLAN_VALID;
	}
	enum verdict verdict = VERDICT_stale;
	struct claim claim = {0};
	__u32 length = 0;
	if (!is_stale(&arrival)) {
		pthread_mutex_lock(&p->lock);
		verdict = respond(&frame, p->reply, &length, &claim);
		pthread_mutex_unlock(&p->lock);
	}
	if (verdict == VERDICT_answered) {
		if (transmit(p, frame.link, p->reply, length))
			verdict = VERDICT_failed;
		else
			note_answer(&claim);
	}
	if (verdict != VERDICT_other)
		count(&p->shared->verdicts[verdict]);
}

/* One batch; false if the socket failed. */
static bool receive(struct packet *p, int fd)
{
	for (int i = 0; i < BATCH; i++) {
		p->data[i] = (struct iovec){p->frame[i], ROOM};
		p->message[i].msg_hdr = (struct msghdr){
			.msg_name = &p->from[i], .msg_namelen = sizeof p->from[i],
			.msg_iov = &p->data[i], .msg_iovlen = 1,
			.msg_control = p->control[i], .msg_controllen = CONTROL};
	}
	int n = recvmmsg(fd, p->message, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++)
		consider(p, i);
	return n >= 0 || errno == EAGAIN || errno == EINTR;
}

/*
 * Asks the scheduler for short slices: a thread that wants little is then let in sooner (EEVDF,
 * Linux 6.12 and newer; others ignore it). Needs no right, as a better nice value would.
 */
static void hurry(void)
{
	struct {
		__u32 size, policy;
		__u64 flags;
		__s32 nice;
		__u32 priority;
		__u64 runtime, deadline, period;
	} attr = {.size = sizeof attr};
	if (syscall(SYS_sched_getattr, 0, &attr, sizeof attr, 0))
		return;
	attr.runtime = SLICE;
	syscall(SYS_sched_setattr, 0, &attr, 0);
}

/* Until somebody ends the thread. A poll() that fails does not wait (EINVAL: RLIMIT_NOFILE). */
static void rest(struct pollfd *wake)
{
	struct timespec pause = {.tv_nsec = REST_MS * 1000000l};
	if (poll(wake, 1, REST_MS) < 0)
		nanosleep(&pause, NULL);
}

static void *run(void *argument)
{
	struct packet *p = argument;
	hurry();
	int failures = 0;
	struct pollfd polls[DESCRIPTORS];
	for (int i = 0; i < DESCRIPTORS; i++)
		polls[i] = (struct pollfd){.fd = p->fd[i], .events = POLLIN};
	while (!atomic_load(&p->ending)) {
		/* What only fails would make a busy loop. */
		if (failures >= MANY_FAILURES)
			rest(&polls[WAKE]);
		int ready = poll(polls, DESCRIPTORS, -1);
		if (ready < 0 && errno == EINTR)
			continue;
		bool failed = ready < 0;
		if (failed)
			count(&p->shared->verdicts[VERDICT_failed]);
		for (int i = ARP; i <= ND && ready > 0; i++)
			failed |= polls[i].revents && !receive(p, p->fd[i]);
		failures = failed ? failures + 1 : 0;
	}
	return NULL;
}

/* Node's signals are for Node's threads. */
static int start(struct packet *p)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = pthread_create(&p->thread, NULL, run, p);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!failed)
		pthread_setname_np(p->thread, "arpeggio-packet");
	return -failed;
}

/* --- from TypeScript --- */

/* Bound last: until then nothing is received, so nothing gets past the filter. */
static int open_socket(int protocol)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = {1, &nothing};
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = NET16(protocol)};
	int one = 1, room = RECEIVE_BYTES;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	int failed = setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) ||
		     setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one) ||
		     setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof one) ||
		     bind(fd, (struct sockaddr *)&at, sizeof at);
	if (!failed)
		return fd;
	failed = -errno;
	close(fd);
	return failed;
}

static void release(struct packet *p)
{
	for (int i = 0; i < DESCRIPTORS; i++)
		if (p->fd[i] >= 0)
			close(p->fd[i]);
	if (p->memory >= 0)
		close(p->memory);
	if (p->shared)
		munmap(p->shared, sizeof *p->shared);
	free(p->tables);
	free(p);
}

/* A file in memory, so that TypeScript's view and the thread's end independently. */
static int share(struct packet *p)
{
	p->memory = memfd_create("arpeggio", MFD_CLOEXEC);
	if (p->memory < 0 || ftruncate(p->memory, sizeof *p->shared))
		return -errno;
	void *memory = mmap(NULL, sizeof *p->shared, PROT_READ | PROT_WRITE, MAP_SHARED, p->memory, 0);
	if (memory == MAP_FAILED)
		return -errno;
	p->shared = p->tables->shared = memory;
	return 0;
}

int packet_open(struct packet **opened)
{
	struct packet *p = calloc(1, sizeof *p);
	if (!p)
		return -ENOMEM;
	p->fd[ARP] = p->fd[ND] = p->fd[WAKE] = p->memory = -1;
	pthread_mutex_init(&p->lock, NULL);
	p->tables = calloc(1, sizeof *p->tables);
	int failed = p->tables ? share(p) : -ENOMEM;
	if (!failed && (p->fd[WAKE] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
		failed = -errno;
	if (!failed && (p->fd[ARP] = open_socket(ETH_P_ARP)) < 0)
		failed = p->fd[ARP];
	if (!failed && (p->fd[ND] = open_socket(ETH_P_IPV6)) < 0)
		failed = p->fd[ND];
	if (!failed)
		failed = start(p);
	if (failed)
		release(p);
	else
		*opened = p;
	return failed;
}

int packet_memory(const struct packet *p, size_t *length)
{
	*length = sizeof *p->shared;
	return p->memory;
}

int packet_filter(struct packet *p, int family, const void *program, size_t length)
{
	struct sock_filter *code = (struct sock_filter *)(uintptr_t)program;
	struct sock_fprog filter = {length / sizeof *code, code};
	if (length % sizeof *code || length / sizeof *code > BPF_MAXINSNS)
		return -EINVAL;
	int fd = p->fd[family == 4 ? ARP : ND];
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) ? -errno : 0;
}

int packet_set(struct packet *p, const void *key, size_t key_length, const void *value,
	       size_t length)
{
	struct in6 ip;
	struct vip vip;
	struct link link;
	__u32 index;
	bool is_vip = key_length == sizeof ip, removes = value == NULL;
	if (!is_vip && key_length != sizeof index)
		return -EINVAL;
	if (!removes && length != (is_vip ? sizeof vip : sizeof link))
		return -EINVAL;
	memcpy(is_vip ? (void *)&ip : (void *)&index, key, key_length);
	if (!removes)
		memcpy(is_vip ? (void *)&vip : (void *)&link, value, length);
	pthread_mutex_lock(&p->lock);
	int result;
	if (is_vip)
		result = removes ? remove_vip(p->tables, &ip) : put_vip(p->tables, &ip, &vip);
	else
		result = removes ? remove_link(p->tables, index) : put_link(p->tables, index, &link);
	pthread_mutex_unlock(&p->lock);
	return result;
}

int packet_vips(struct packet *p, void *entries, size_t room)
{
	__u8 *to = entries;
	pthread_mutex_lock(&p->lock);
	for (__u32 i = 0; i < BUCKETS && room >= VIP_ENTRY; i++) {
		struct bucket *b = &p->tables->bucket[i];
		if (!b->used)
			continue;
		memcpy(to, &b->ip, sizeof b->ip);
		memcpy(to + sizeof b->ip, &b->vip, sizeof b->vip);
		to += VIP_ENTRY;
		room -= VIP_ENTRY;
	}
	int count = p->tables->vips;
	pthread_mutex_unlock(&p->lock);
	return count;
}

int packet_send(struct packet *p, uint32_t link, const void *frame, size_t length)
{
	return transmit(p, link, frame, length);
}

void packet_close(struct packet *p)
{
	__u64 one = 1;
	__atomic_store_n(&p->shared->lease, 0, __ATOMIC_SEQ_CST);
	atomic_store(&p->ending, true);
	if (write(p->fd[WAKE], &one, sizeof one) != sizeof one)
		return; /* cannot be; the thread lives on, silent */
	pthread_join(p->thread, NULL);
	release(p);
}
