/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * What the native planes share with TypeScript: sizes, the names of the verdicts, the layout of
 * table keys and values and of sightings. Changes here are changes in speaker/respond.ts (names)
 * and in speaker/io/{viptable,sightings,packet}.ts (layout).
 */
#pragma once
#include <linux/types.h>

/* Network order; both architectures we run on are little-endian. */
#define NET16(n) ((__u16)__builtin_bswap16(n))
#define NET32(n) ((__u32)__builtin_bswap32(n))

#ifndef ETH_P_IP
#define ETH_P_IP 0x0800
#define ETH_P_ARP 0x0806
#define ETH_P_IPV6 0x86dd
#endif

#define INLINE static __attribute__((always_inline, unused)) inline

#define MAX_VIPS 16384
#define MAX_LINKS 64 /* one bit of vip.links each */
#define MOST_SIGHTINGS 40 /* of an address in a period, of either kind */
#define PERIOD_BITS 30    /* a period has 2^30 ns: about a second */

/*
 * Why a frame was or was not answered, in the order of the checks. `other` is every frame that is
 * neither ARP nor a neighbor message, and every one of a VLAN (its own device sees it untagged);
 * it is never counted, so that data packets pay for no counter.
 */
#define VERDICTS(name) \
	name(other) \
	name(otherhost)  /* unicast to another host's MAC, seen because the link is promiscuous */ \
	name(oversized)  /* NS or NA with more options than the program looks at */ \
	name(malformed)  /* not Ethernet/IPv4 ARP; NS or NA that RFC 4861 7.1 discards */ \
	name(reply)      /* an ARP reply, a Neighbor Advertisement */ \
	name(gratuitous) /* an ARP request for the sender's own address: an announcement */ \
	name(unknown)    /* asks for an address that we do not announce */ \
	name(unattached) /* on a link that the speaker does not use */ \
	name(restricted) /* the address is not announced on this link */ \
	name(watched)    /* another node's address, or nobody's; told, not answered */ \
	name(lapsed)     /* ours, but the lease is over */ \
	name(stale)      /* ours perhaps, but asked too long ago (packet plane) */ \
	name(failed)     /* ours, but the frame could not be changed into the answer, or sent */ \
	name(answered)

enum verdict {
#define VERDICT(name) VERDICT_##name,
	VERDICTS(VERDICT)
#undef VERDICT
	N_VERDICTS
};

/* What the guard did, counted behind the verdicts. */
#define DEEDS(name) \
	name(silenced)   /* a question taken away from the kernel of this host */ \
	name(rewritten)  /* a question of the kernel, sent with the link's own address */ \
	name(suppressed) /* an answer or announcement of the kernel, not sent */

enum counter {
	BEFORE_DEEDS = N_VERDICTS - 1,
#define DEED(name) DEED_##name,
	DEEDS(DEED)
#undef DEED
	N_COUNTERS
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
	__u32 flags;
	__u64 links; /* answer and watch on link n if bit n is set */
};
#define VIP_WATCH 1 /* another node's, or nobody's: never answered */
#define VIP_GUARD 2 /* the kernel of this host shall not speak for it when we do not */

/* links: ifindex -> link */
struct link {
	struct mac mac; /* the sender of every answer */
	__u16 bit;      /* the link's bit in vip.links */
	__u32 ip4;      /* its own address, or 0: the sender of guarded questions */
};

/* slots: one cache line per VIP, read by user space through mmap */
struct slot {
	__u64 answered;
	__u64 lapsed;
	__u64 last_answer; /* CLOCK_MONOTONIC, ns */
	__u64 asked;       /* questions, answered or not */
	__u64 seen;        /* claims by others, told or not */
	__u64 silenced;
	__u64 told;        /* limits of sightings: the period, and in the last byte how many */
	__u64 told_direct; /* the same for replies to us alone, which nothing else may use up */
};

_Static_assert(sizeof(struct slot) == 64, "one cache line per slot");

/* Somebody else claims an address of the table; speaker/io/sightings.ts knows the layout. */
enum form { FORM_request, FORM_reply, FORM_probe };
struct sighting {
	__u64 at; /* CLOCK_MONOTONIC, ns */
	struct in6 ip;
	__u32 link;
	struct mac mac;
	__u8 form;
	__u8 spare[5];
};

_Static_assert(sizeof(struct sighting) == 40, "five words");
