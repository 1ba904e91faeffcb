/*
 * Asks for an address by ARP or NDP and measures the answers.
 *
 *   pinger IFACE arp|ndp rtt COUNT        closed loop: one question at a time
 *   pinger IFACE arp|ndp paced RATE MS    open loop: on schedule, whatever comes back; the arrival
 *                                         is the receive time stamp of the client's kernel
 *   pinger IFACE arp|ndp flood MS         closed window of 256 questions
 *   pinger IFACE arp|ndp load RATE MS     processor time of this process at a fixed rate
 *   pinger IFACE arp|ndp foreign RATE MS  the same for the next address, which nobody has
 *   pinger IFACE arp|ndp sweep RATE MS    the same for all others of the last byte in turn but the
 *                                         node's own, as a scan of the subnet asks
 *
 * Prints one JSON object. Times are in microseconds. Processor time is CLOCK_PROCESS_CPUTIME_ID:
 * on a veth pair the node's softirq runs in the context of the sender, so it is included (unless
 * the kernel has CONFIG_IRQ_TIME_ACCOUNTING, which takes it out; then `load` measures too little
 * for every variant).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* The client and the address asked for; senders vary in the last byte to tell answers apart. */
#define CLIENT4 "\xc0\x00\x02\x0a"
#define VIP4 "\xc0\x00\x02\xf0"
#define CLIENT6 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x0a"
#define VIP6 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\x02\x40"
#define SENDERS 64
#define FIRST_SENDER 10

#define ARP_BYTES 42
#define NS_BYTES 86
#define WINDOW 256
#define BATCH 32
#define LOST_US 1e6 /* an answer that never came counts as a second */

static int fd;
static uint8_t question[NS_BYTES];
static size_t length;
static size_t sender_at; /* last byte of the sender's address in the question */
static size_t asker_at;  /* the same byte in the answer */

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static uint16_t icmp6_checksum(const uint8_t *ip6)
{
	uint32_t sum = 32 + IPPROTO_ICMPV6; /* pseudo-header: length and next header */
	for (int i = 8; i < 40 + 32; i += 2)
		sum += ip6[i] << 8 | ip6[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

/* The sender of the question, 0 to SENDERS - 1. */
static void set_sender(int sender)
{
	question[sender_at] = FIRST_SENDER + sender;
	if (length == ARP_BYTES)
		return;
	memset(question + 56, 0, 2);
	uint16_t sum = icmp6_checksum(question + 14);
	memcpy(question + 56, &sum, 2);
}

static void build_arp(const uint8_t *mac)
{
	memset(question, 0xff, 6);
	memcpy(question + 6, mac, 6);
	memcpy(question + 12, "\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01", 10);
	memcpy(question + 22, mac, 6);
	memcpy(question + 28, CLIENT4, 4);
	memcpy(question + 38, VIP4, 4);
	length = ARP_BYTES;
	sender_at = 31;
	asker_at = 41;
}

static void build_ns(const uint8_t *mac)
{
	uint8_t *ip6 = question + 14;
	memcpy(question, "\x33\x33\xff\x00\x02\x40", 6);
	memcpy(question + 6, mac, 6);
	memcpy(question + 12, "\x86\xdd\x60\0\0\0\0\x20\x3a\xff", 10);
	memcpy(ip6 + 8, CLIENT6, 16);
	memcpy(ip6 + 24, "\xff\x02\0\0\0\0\0\0\0\0\0\x01\xff\x00\x02\x40", 16);
	ip6[40] = 135;
	memcpy(ip6 + 48, VIP6, 16);
	memcpy(ip6 + 64, "\x01\x01", 2);
	memcpy(ip6 + 66, mac, 6);
	length = NS_BYTES;
	sender_at = 14 + 23;
	asker_at = 14 + 39;
}

/* Only answers for our address: an ARP reply from it, or an advertisement of it. */
static void filter(int arp)
{
	struct sock_filter replies[] = {
		{BPF_LD | BPF_H | BPF_ABS, 0, 0, 20}, {BPF_JMP | BPF_JEQ | BPF_K, 0, 3, 2},
		{BPF_LD | BPF_W | BPF_ABS, 0, 0, 28}, {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0xc00002f0},
		{BPF_RET | BPF_K, 0, 0, 128},	      {BPF_RET | BPF_K, 0, 0, 0}};
	struct sock_filter advertisements[] = {
		{BPF_LD | BPF_B | BPF_ABS, 0, 0, 54}, {BPF_JMP | BPF_JEQ | BPF_K, 0, 3, 136},
		{BPF_LD | BPF_W | BPF_ABS, 0, 0, 74}, {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0x0240},
		{BPF_RET | BPF_K, 0, 0, 128},	      {BPF_RET | BPF_K, 0, 0, 0}};
	struct sock_fprog program = {6, arp ? replies : advertisements};
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program))
		die("SO_ATTACH_FILTER");
}

static void open_socket(const char *name, int arp)
{
	struct ifreq request = {0};
	struct sockaddr_ll at = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(arp ? ETH_P_ARP : ETH_P_IPV6),
				 .sll_ifindex = if_nametoindex(name)};
	int room = 16 << 20;
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	filter(arp);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
	if (bind(fd, (struct sockaddr *)&at, sizeof at))
		die(name);
	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(fd, SIOCGIFHWADDR, &request))
		die(name);
	(arp ? build_arp : build_ns)((uint8_t *)request.ifr_hwaddr.sa_data);
	set_sender(0);
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void print_quantiles(const char *mode, double *us, int n, int lost)
{
	qsort(us, n, sizeof *us, ascending);
	printf("{\"mode\":\"%s\",\"n\":%d,\"lost\":%d,\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f}\n", mode,
	       n, lost, us[n / 2], us[(int)(n * 0.99)], us[n - 1]);
}

static void rtt(int count)
{
	int warm = count / 10, lost = 0;
	double *us = calloc(count, sizeof *us);
	uint8_t answer[128];
	for (int i = -warm; i < count; i++) {
		struct pollfd readable = {fd, POLLIN, 0};
		uint64_t sent = now(CLOCK_MONOTONIC);
		if (send(fd, question, length, 0) < 0)
			die("send");
		ssize_t got = recv(fd, answer, sizeof answer, MSG_DONTWAIT);
		if (got < 0 && poll(&readable, 1, 1000) > 0)
			got = recv(fd, answer, sizeof answer, 0);
		uint64_t us_ns = now(CLOCK_MONOTONIC) - sent;
		if (i < 0)
			continue;
		us[i] = got < 0 ? LOST_US : us_ns / 1e3;
		lost += got < 0;
		if (lost > 10)
			exit(3); /* nobody answers */
	}
	print_quantiles("rtt", us, count, lost);
}

/* Takes one answer; its sender's question is then no longer open. */
static void take(uint64_t *open, double *us, int *of)
{
	uint8_t answer[128];
	char control[128];
	struct iovec io = {answer, sizeof answer};
	struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control,
			   .msg_controllen = sizeof control};
	if (recvmsg(fd, &m, MSG_DONTWAIT) < ARP_BYTES)
		return;
	struct timespec stamp;
	memcpy(&stamp, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof stamp);
	int sender = answer[asker_at] - FIRST_SENDER;
	if (sender < 0 || sender >= SENDERS || !open[sender])
		return;
	us[of[sender]] = (stamp.tv_sec * 1000000000ull + stamp.tv_nsec - open[sender]) / 1e3;
	open[sender] = 0;
}

static void paced(int rate, int ms)
{
	int n = (int)((int64_t)rate * ms / 1000), one = 1, lost = 0, of[SENDERS];
	uint64_t open[SENDERS] = {0}, begin;
	double *us = calloc(n, sizeof *us);
	setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
	for (int i = 0; i < n; i++)
		us[i] = LOST_US;
	begin = now(CLOCK_MONOTONIC) + 1000000;
	for (int i = 0; i <= n; i++) {
		/* The last answers get half a second. */
		uint64_t at = begin + (uint64_t)i * 1000000000ull / rate + (i == n) * 500000000ull;
		for (uint64_t t; (t = now(CLOCK_MONOTONIC)) < at;) {
			struct pollfd readable = {fd, POLLIN, 0};
			struct timespec rest = {(at - t) / 1000000000, (at - t) % 1000000000};
			if (i == n && us[n - 1] != LOST_US)
				break;
			if (ppoll(&readable, 1, &rest, NULL) > 0)
				take(open, us, of);
		}
		if (i == n)
			break;
		set_sender(i % SENDERS);
		of[i % SENDERS] = i;
		open[i % SENDERS] = now(CLOCK_REALTIME);
		if (send(fd, question, length, 0) < 0)
			die("send");
	}
	for (int i = 0; i < n; i++)
		lost += us[i] == LOST_US;
	print_quantiles("paced", us, n, lost);
}

static void flood(int ms)
{
	struct iovec out = {question, length}, in[BATCH];
	struct mmsghdr questions[BATCH] = {0}, answers[BATCH] = {0};
	uint8_t bytes[BATCH][128];
	for (int i = 0; i < BATCH; i++) {
		questions[i].msg_hdr = (struct msghdr){.msg_iov = &out, .msg_iovlen = 1};
		in[i] = (struct iovec){bytes[i], sizeof bytes[i]};
		answers[i].msg_hdr = (struct msghdr){.msg_iov = &in[i], .msg_iovlen = 1};
	}
	uint64_t begin = now(CLOCK_MONOTONIC), last = begin, t, got = 0, lost = 0;
	int open = 0;
	while ((t = now(CLOCK_MONOTONIC)) - begin < ms * 1000000ull) {
		if (open + BATCH <= WINDOW) {
			int sent = sendmmsg(fd, questions, BATCH, 0);
			open += sent > 0 ? sent : 0;
		}
		int k = recvmmsg(fd, answers, BATCH, MSG_DONTWAIT, NULL);
		if (k > 0) {
			got += k;
			open -= k < open ? k : open;
			last = t;
		} else if (open + BATCH > WINDOW) {
			struct pollfd readable = {fd, POLLIN, 0};
			poll(&readable, 1, 20);
			if (now(CLOCK_MONOTONIC) - last > 50000000ull) { /* the window was lost */
				lost += open;
				open = 0;
				last = now(CLOCK_MONOTONIC);
			}
		}
	}
	double seconds = (now(CLOCK_MONOTONIC) - begin) / 1e9;
	printf("{\"mode\":\"flood\",\"replies\":%llu,\"lost\":%llu,\"per_s\":%.0f}\n",
	       (unsigned long long)got, (unsigned long long)lost, got / seconds);
}

/*
 * Processor time at a fixed rate, in bursts every 10 ms: the cost of this process's own waking up
 * would drown that of an answer if it woke more often. The median over windows of 100 ms, because
 * on a shared machine a few windows pay for somebody else's interrupts.
 */
static void load(int rate, int ms, uint8_t *sweeping)
{
	enum { BURSTS = 10, FIRST = 2, LAST = 239 };
	uint8_t answer[128];
	int burst = rate / 100, windows = ms / 100;
	uint64_t begin = now(CLOCK_MONOTONIC), ticks = 0, sent = 0, got = 0;
	double *us = calloc(windows, sizeof *us);
	for (int w = 0; w < windows; w++) {
		uint64_t cpu = now(CLOCK_PROCESS_CPUTIME_ID);
		for (int b = 0; b < BURSTS; b++) {
			for (int i = 0; i < burst; i++, sent++) {
				if (sweeping)
					*sweeping = FIRST + sent % (LAST - FIRST + 1);
				if (send(fd, question, length, 0) < 0)
					die("send");
			}
			while (recv(fd, answer, sizeof answer, MSG_DONTWAIT) > 0)
				got++;
			uint64_t at = begin + ++ticks * 10000000;
			struct timespec until = {at / 1000000000, at % 1000000000};
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
		}
		us[w] = (now(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1e3;
	}
	double seconds = (now(CLOCK_MONOTONIC) - begin) / 1e9;
	qsort(us, windows, sizeof *us, ascending);
	printf("{\"mode\":\"load\",\"sent\":%llu,\"got\":%llu,\"cpu_us\":%.1f,\"per_s\":%.0f}\n",
	       (unsigned long long)sent, (unsigned long long)got, us[windows / 2] * windows,
	       sent / seconds);
}

static void foreign(int rate, int ms)
{
	question[length == ARP_BYTES ? 41 : 77]++;
	set_sender(0);
	load(rate, ms, NULL);
}

int main(int argc, char **argv)
{
	if (argc < 5)
		return 2;
	const char *mode = argv[3];
	open_socket(argv[1], !strcmp(argv[2], "arp"));
	if (!strcmp(mode, "rtt"))
		rtt(atoi(argv[4]));
	else if (!strcmp(mode, "flood"))
		flood(atoi(argv[4]));
	else if (argc < 6)
		return 2;
	else if (!strcmp(mode, "paced"))
		paced(atoi(argv[4]), atoi(argv[5]));
	else if (!strcmp(mode, "foreign"))
		foreign(atoi(argv[4]), atoi(argv[5]));
	else
		load(atoi(argv[4]), atoi(argv[5]),
		     strcmp(mode, "sweep") ? NULL : question + (length == ARP_BYTES ? 41 : 77));
	return 0;
}
