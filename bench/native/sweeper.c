/*
 * Many addresses on the wire, all of one /15 (198.18.0.0/15): who announces them, who answers.
 *
 *   sweeper IFACE listen                  prints `claim T ADDRESS MAC` for each ARP announcement,
 *                                         and `dropped N` at the end, which SIGTERM is
 *   sweeper IFACE ask FILE RATE TIMES     asks for each address of the file in turn, RATE a second,
 *                                         TIMES over; prints one JSON object
 *
 * T is CLOCK_REALTIME in milliseconds, as the kernel stamped the frame. An announcement has the
 * same sender and target address (RFC 5227, 3), as a request or as a reply.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ARP_BYTES 42
#define LOW_BITS 0x1ffff
#define MOST (LOW_BITS + 1)
#define VOICES 8
#define LAST_MS 1000 /* the last questions get a second */

static int fd;
static uint8_t own[6];
static uint32_t own4;
static volatile sig_atomic_t ended;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static uint32_t address_at(const uint8_t *bytes)
{
	uint32_t address;
	memcpy(&address, bytes, 4);
	return ntohl(address);
}

static void open_socket(const char *name)
{
	struct ifreq request = {0};
	struct sockaddr_ll at = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_ARP),
				 .sll_ifindex = if_nametoindex(name)};
	int room = 64 << 20, one = 1;
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
	setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
	setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&at, sizeof at))
		die(name);
	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(fd, SIOCGIFHWADDR, &request))
		die(name);
	memcpy(own, request.ifr_hwaddr.sa_data, 6);
	if (!ioctl(fd, SIOCGIFADDR, &request))
		own4 = ntohl(((struct sockaddr_in *)&request.ifr_addr)->sin_addr.s_addr);
}

/* One ARP frame and when it came; 0: there is none. */
static int next(uint8_t *frame, double *at)
{
	char control[128];
	struct iovec io = {frame, 256};
	struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control,
			   .msg_controllen = sizeof control};
	ssize_t got = recvmsg(fd, &m, MSG_DONTWAIT);
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	if (got < ARP_BYTES || !c)
		return 0;
	struct timespec stamp;
	memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
	*at = stamp.tv_sec * 1e3 + stamp.tv_nsec / 1e6;
	return 1;
}

static void print_mac(const uint8_t *mac)
{
	printf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void listen_on(void)
{
	uint8_t frame[256];
	double at;
	printf("listening\n");
	fflush(stdout);
	while (!ended) {
		struct pollfd ready = {fd, POLLIN, 0};
		poll(&ready, 1, 1000);
		while (next(frame, &at)) {
			uint32_t sender = address_at(frame + 28);
			if (sender != address_at(frame + 38) || !sender)
				continue;
			struct in_addr ip = {htonl(sender)};
			printf("claim %.3f %s ", at, inet_ntoa(ip));
			print_mac(frame + 22);
			printf("\n");
		}
		fflush(stdout);
	}
	struct tpacket_stats stats;
	socklen_t size = sizeof stats;
	if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size))
		die("PACKET_STATISTICS");
	printf("dropped %u\n", stats.tp_drops);
}

static uint32_t list[MOST];
static int place[MOST]; /* by the low bits of an address: where it is in the list, plus one */
static double asked[MOST], late[MOST];
static int voice[MOST]; /* plus one; -1: several */
static uint8_t voices[VOICES][6];
static int heard[VOICES];

static int read_list(const char *path)
{
	char line[64];
	FILE *file = fopen(path, "r");
	int n = 0;
	if (!file)
		die(path);
	while (n < MOST && fgets(line, sizeof line, file)) {
		struct in_addr ip;
		line[strcspn(line, "\n")] = 0;
		if (inet_pton(AF_INET, line, &ip) != 1)
			continue;
		list[n] = ntohl(ip.s_addr);
		place[list[n] & LOW_BITS] = n + 1;
		n++;
	}
	fclose(file);
	return n;
}

static void take(void)
{
	uint8_t frame[256];
	double at;
	while (next(frame, &at)) {
		uint32_t ip = address_at(frame + 28);
		int n = place[ip & LOW_BITS] - 1, v = 0;
		if (frame[21] != 2 || memcmp(frame, own, 6) || n < 0 || list[n] != ip || !asked[n])
			continue;
		while (v < VOICES - 1 && heard[v] && memcmp(voices[v], frame + 22, 6))
			v++;
		memcpy(voices[v], frame + 22, 6);
		heard[v]++;
		if (!voice[n])
			late[n] = at - asked[n];
		voice[n] = !voice[n] || voice[n] == v + 1 ? v + 1 : -1;
	}
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void ask(int n, double rate, int times)
{
	uint8_t question[ARP_BYTES];
	memset(question, 0xff, 6);
	memcpy(question + 6, own, 6);
	memcpy(question + 12, "\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01", 10);
	memcpy(question + 22, own, 6);
	uint32_t sender = htonl(own4);
	memcpy(question + 28, &sender, 4);
	memset(question + 32, 0, 6);
	double begin = now();
	int all = n * times;
	for (int i = 0; i <= all; i++) {
		double due = begin + i * 1e3 / rate + (i == all) * LAST_MS;
		for (double left; (left = due - now()) > 0;) {
			struct pollfd ready = {fd, POLLIN, 0};
			struct timespec rest = {left / 1e3, (long)(left * 1e6) % 1000000000};
			if (ppoll(&ready, 1, &rest, NULL) > 0)
				take();
		}
		if (i == all)
			break;
		uint32_t ip = htonl(list[i % n]);
		memcpy(question + 38, &ip, 4);
		if (!asked[i % n])
			asked[i % n] = now();
		if (send(fd, question, sizeof question, 0) < 0)
			die("send");
		take();
	}
}

static void print_answers(int n)
{
	int answered = 0, two = 0, first = 1;
	static double times[MOST];
	for (int i = 0; i < n; i++) {
		two += voice[i] < 0;
		if (voice[i])
			times[answered++] = late[i];
	}
	qsort(times, answered, sizeof *times, ascending);
	printf("{\"asked\":%d,\"answered\":%d,\"two\":%d,", n, answered, two);
	printf("\"p50_ms\":%.3f,\"max_ms\":%.3f,\"voices\":{", answered ? times[answered / 2] : 0,
	       answered ? times[answered - 1] : 0);
	for (int v = 0; v < VOICES && heard[v]; v++, first = 0) {
		printf(first ? "\"" : ",\"");
		print_mac(voices[v]);
		printf("\":%d", heard[v]);
	}
	printf("}}\n");
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	signal(SIGTERM, end);
	open_socket(argv[1]);
	if (!strcmp(argv[2], "listen")) {
		listen_on();
	} else if (argc == 6) {
		int n = read_list(argv[3]);
		ask(n, atof(argv[4]), atoi(argv[5]));
		print_answers(n);
	} else {
		return 2;
	}
	return 0;
}
