/*
 * The other end of the cable: sends and prints whole Ethernet frames on packet sockets.
 *
 *   wire IFACE...
 *   stdin   "N HEX"      send HEX on the Nth interface
 *   stdout  "N NS HEX"   received on the Nth interface at NS of CLOCK_MONOTONIC
 *
 * It stays on one processor: a veth pair hands frames over through that processor's queue, so
 * answers come back in the order of the questions.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_LINKS 8
#define MAX_FRAME 2048

static int packet_socket(const char *name)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
				 .sll_ifindex = if_nametoindex(name)};
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at)) {
		perror(name);
		exit(1);
	}
	return fd;
}

static void print_frame(int link, int fd)
{
	unsigned char frame[MAX_FRAME];
	struct sockaddr_ll from;
	socklen_t size = sizeof from;
	ssize_t n = recvfrom(fd, frame, sizeof frame, 0, (struct sockaddr *)&from, &size);
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	if (n < 0 || from.sll_pkttype == PACKET_OUTGOING)
		return;
	printf("%d %lld ", link, t.tv_sec * 1000000000ll + t.tv_nsec);
	for (ssize_t i = 0; i < n; i++)
		printf("%02x", frame[i]);
	printf("\n");
	fflush(stdout);
}

static void send_line(const char *line, const int *fds, int links)
{
	unsigned char frame[MAX_FRAME];
	int link, skip;
	size_t n = 0;
	if (sscanf(line, "%d %n", &link, &skip) != 1 || link < 0 || link >= links)
		exit(2);
	for (const char *p = line + skip; n < sizeof frame && sscanf(p, "%2hhx", frame + n) == 1; p += 2)
		n++;
	/* ENOBUFS: somebody took the frame away on its way out, which a test may want. */
	if (send(fds[link], frame, n, 0) < 0 && errno != ENOBUFS)
		perror("send");
}

int main(int argc, char **argv)
{
	int links = argc - 1, fds[MAX_LINKS];
	if (links < 1 || links > MAX_LINKS)
		return 2;
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof one, &one);
	struct pollfd polls[MAX_LINKS + 1] = {{.fd = 0, .events = POLLIN}};
	for (int i = 0; i < links; i++)
		polls[i + 1] = (struct pollfd){.fd = fds[i] = packet_socket(argv[i + 1]), .events = POLLIN};
	printf("ready\n");
	fflush(stdout);
	char line[2 * MAX_FRAME + 16];
	size_t have = 0;
	while (poll(polls, links + 1, -1) > 0) {
		for (int i = 0; i < links; i++)
			if (polls[i + 1].revents)
				print_frame(i, fds[i]);
		if (!polls[0].revents)
			continue;
		ssize_t n = read(0, line + have, sizeof line - 1 - have);
		if (n <= 0)
			return 0;
		have += n;
		for (char *end; (end = memchr(line, '\n', have));) {
			*end = 0;
			send_line(line, fds, links);
			have -= end + 1 - line;
			memmove(line, end + 1, have);
		}
	}
	return 0;
}
