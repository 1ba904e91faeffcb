/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * What the kernel program and user space share: sizes, the layout of map values, and the names of
 * the verdicts. speaker/respond.ts says the same in TypeScript and a test compares the two.
 */
#pragma once
#include <linux/types.h>

#define MAX_VIPS 16384
#define MAX_LINKS 64 /* one bit of vip.links each */

/*
 * Why a frame was or was not answered, in the order of the checks. `other` is every frame that is
 * neither ARP nor a Neighbor Solicitation, and every VLAN-tagged one (its own device sees it
 * untagged); it is never counted, so that data packets pay for no counter.
 */
#define VERDICTS(name) \
	name(other) \
	name(otherhost)  /* unicast to another host's MAC, seen because the link is promiscuous */ \
	name(oversized)  /* an NS with more options than the program looks at */ \
	name(malformed)  /* not Ethernet/IPv4 ARP; an NS that RFC 4861 7.1.1 discards */ \
	name(reply)      /* an ARP reply */ \
	name(gratuitous) /* an ARP request for the sender's own address: an announcement */ \
	name(unknown)    /* asks for an address that we do not announce */ \
	name(unattached) /* on a link that the speaker does not use */ \
	name(restricted) /* the address is not announced on this link */ \
	name(lapsed)     /* ours, but the lease is over */ \
	name(failed)     /* ours, but the frame could not be changed into the answer */ \
	name(answered)

enum verdict {
#define VERDICT(name) VERDICT_##name,
	VERDICTS(VERDICT)
#undef VERDICT
	N_VERDICTS
};

/* An IPv6 address, or an IPv4 one mapped into ::ffff:0:0/96; network order. */
struct in6 {
	__u32 w[4];
};

struct mac {
	__u16 w[3];
};

/* vips: in6 -> vip */
struct vip {
	__u32 slot;  /* index of its counters in `slots` */
	__u32 flags; /* none yet, 0 */
	__u64 links; /* answer on link n if bit n is set */
};

/* links: ifindex -> link */
struct link {
	struct mac mac; /* the sender of every answer */
	__u16 bit;      /* the link's bit in vip.links */
};

/* slots: one cache line per VIP, read by user space through mmap */
struct slot {
	__u64 answered;
	__u64 lapsed;
	__u64 last_answer; /* CLOCK_MONOTONIC, ns */
	__u64 spare[5];
};
