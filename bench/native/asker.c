/*
 * Asks everybody on the wire for an IPv4 address, on schedule whatever comes back, and prints who
 * answers: `asker IFACE ADDRESS INTERVAL_MS`, until it is killed.
 *
 *   ask N T          question N was sent
 *   reply N T MAC    an answer to question N came
 *   claim T MAC      an announcement of the address by that MAC
 *
 * T is CLOCK_MONOTONIC in milliseconds. The sender address of a question carries its number, and
 * an answer is sent to that address, so answers that come late are known for what they are.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ARP_BYTES 42
/* 10.99.0.0/16: an address of nobody's. */
#define ASKERS 0x0a630000u

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static uint32_t address_at(const uint8_t *bytes)
{
	uint32_t address;
	memcpy(&address, bytes, 4);
	return ntohl(address);
}

static void put_address(uint8_t *bytes, uint32_t address)
{
	address = htonl(address);
	memcpy(bytes, &address, 4);
}

static void tell(const uint8_t *frame, uint32_t vip)
{
	const uint8_t *mac = frame + 22;
	uint32_t target = address_at(frame + 38);
	if (address_at(frame + 28) != vip)
		return;
	if (target == vip)
		printf("claim %.3f ", now());
	else if (frame[21] == 2 && (target & 0xffff0000u) == ASKERS)
		printf("reply %u %.3f ", target & 0xffff, now());
	else
		return;
	printf("%02x:%02x:%02x:%02x:%02x:%02x\n", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: asker IFACE ADDRESS INTERVAL_MS\n");
		return 2;
	}
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ARP));
	struct ifreq request = {0};
	struct in_addr vip;
	if (fd < 0)
		die("socket");
	strncpy(request.ifr_name, argv[1], IFNAMSIZ - 1);
	if (ioctl(fd, SIOCGIFHWADDR, &request))
		die(argv[1]);
	struct sockaddr_ll link = {.sll_family = AF_PACKET,
				   .sll_protocol = htons(ETH_P_ARP),
				   .sll_ifindex = if_nametoindex(argv[1])};
	if (bind(fd, (struct sockaddr *)&link, sizeof link))
		die("bind");
	if (inet_pton(AF_INET, argv[2], &vip) != 1)
		die(argv[2]);

	uint8_t question[ARP_BYTES], frame[256];
	memset(question, 0xff, 6);
	memcpy(question + 6, request.ifr_hwaddr.sa_data, 6);
	memcpy(question + 12, "\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01", 10);
	memcpy(question + 22, request.ifr_hwaddr.sa_data, 6);
	memset(question + 32, 0, 6);
	memcpy(question + 38, &vip, 4);

	setvbuf(stdout, NULL, _IOLBF, 0);
	double interval = atof(argv[3]), begin = now();
	for (uint32_t number = 0;; number++) {
		double due = begin + number * interval;
		struct pollfd ready = {fd, POLLIN, 0};
		for (double left; (left = due - now()) > 0;) {
			struct timespec wait = {0, (long)(left * 1e6) % 1000000000};
			if (ppoll(&ready, 1, &wait, NULL) <= 0)
				continue;
			ssize_t got = recv(fd, frame, sizeof frame, MSG_DONTWAIT);
			if (got >= ARP_BYTES)
				tell(frame, ntohl(vip.s_addr));
		}
		put_address(question + 28, ASKERS | (number & 0xffff));
		printf("ask %u %.3f\n", number & 0xffff, now());
		/* No buffers, or the cable is out: that question is not asked. */
		(void)!send(fd, question, sizeof question, 0);
	}
}
