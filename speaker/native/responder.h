/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * What happens to an ARP request or a Neighbor Solicitation: the one decision of both native
 * planes, with the sizes, the layout of table values, and the names of the verdicts.
 * responder.bpf.c runs it in the kernel, userspace.h in a thread. speaker/respond.ts says the same
 * in TypeScript, and tests compare all three.
 *
 * Written for the verifier of kernel 5.8: no loops, no calls, no pointers into the frame. The
 * including file defines FRAME, the type of a frame, and the functions under "the world".
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

_Static_assert(sizeof(struct slot) == 64, "one cache line per slot");

/* RFC 826 on Ethernet. Aligned to 2, so that the compiler copies words and not bytes. */
struct ip4 {
	__u16 w[2];
};
struct arp {
	struct mac dst, src;
	__be16 proto;
	__be16 htype, ptype;
	__u8 hlen, plen;
	__be16 op;
	struct mac sha;
	struct ip4 spa;
	struct mac tha;
	struct ip4 tpa;
};
#define ARP_AT 14 /* the packet begins behind the Ethernet header */
#define ARP_LEN 42

/* RFC 4861 4.3, 4.4: a solicitation with its options; the first option's room becomes TLLA. */
struct option {
	__u8 type, len; /* len in units of 8 bytes */
	struct mac mac;
};
#define MAX_OPTIONS 5 /* source link-layer address, nonce, and 24 bytes to spare */
struct nd {
	__u16 pad; /* saddr and what follows must be aligned to 4 for bpf_csum_diff */
	struct mac dst, src;
	__be16 proto;
	__be32 flow;
	__be16 plen;
	__u8 next, hops;
	struct in6 saddr, daddr;
	__u8 type, code;
	__be16 csum;
	__be32 flags;
	struct in6 target;
	struct option option[MAX_OPTIONS];
};
#define ND_FIXED 24 /* ICMPv6 header and target */
#define NA_LEN 86   /* 14 + 40 + 24 + one option */
#define ICMPV6 58
#define NS_TYPE 135
#define NA_TYPE 136
#define SLLA 1
#define TLLA 2

_Static_assert(sizeof(struct arp) == ARP_LEN, "ARP frame");
_Static_assert(__builtin_offsetof(struct nd, option) == 80, "ND frame, behind 2 bytes of padding");

/* The world, as the including file has it. */
/* 0, or the frame ends before at + length. */
INLINE int load(FRAME *frame, __u32 at, void *to, __u32 length);
INLINE int is_tagged(FRAME *frame);
/* Unicast, and not to this link. */
INLINE int is_otherhost(FRAME *frame);
INLINE __u32 link_index(FRAME *frame);
INLINE struct vip *find_vip(FRAME *frame, struct in6 *ip);
INLINE struct link *find_link(FRAME *frame, __u32 index);
INLINE struct slot *find_slot(FRAME *frame, __u32 index);
/* CLOCK_MONOTONIC, ns; the answers end there. */
INLINE __u64 *find_lease(FRAME *frame);
INLINE __u64 monotonic(void);
/* Sum of 16-bit words, in a width that cannot overflow; length is a multiple of 4. */
INLINE __u32 sum_words(__be32 *words, __u32 length, __u32 seed);

INLINE void count(__u64 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

INLINE int same_ip4(struct ip4 a, struct ip4 b)
{
	return a.w[0] == b.w[0] && a.w[1] == b.w[1];
}

/* What the answer needs to know. */
struct claim {
	struct link *link;
	struct slot *slot;
	__u64 now;
};

/* The same for both families. Unknown first: it is the fate of most broadcasts. */
INLINE enum verdict decide(FRAME *frame, struct in6 *target, struct claim *claim)
{
	struct vip *vip = find_vip(frame, target);
	if (!vip)
		return VERDICT_unknown;
	struct link *link = find_link(frame, link_index(frame));
	if (!link)
		return VERDICT_unattached;
	if (!(vip->links & 1ull << (link->bit & 63)))
		return VERDICT_restricted;
	struct slot *slot = find_slot(frame, vip->slot);
	__u64 *until = find_lease(frame);
	if (!slot || !until)
		return VERDICT_failed;
	claim->link = link;
	claim->slot = slot;
	claim->now = monotonic();
	if (claim->now >= *(volatile __u64 *)until) {
		count(&slot->lapsed);
		return VERDICT_lapsed;
	}
	return VERDICT_answered;
}

/* For whoever sent the answer. */
INLINE void note_answer(struct claim *claim)
{
	count(&claim->slot->answered);
	claim->slot->last_answer = claim->now;
}

/* If answered, `f` holds the ARP_LEN bytes to put at the head of the frame. */
INLINE enum verdict answer_arp(FRAME *frame, struct arp *f, struct claim *claim)
{
	if (is_tagged(frame))
		return VERDICT_other;
	if (is_otherhost(frame))
		return VERDICT_otherhost;
	if (load(frame, ARP_AT, &f->htype, ARP_LEN - ARP_AT))
		return VERDICT_malformed;
	if (f->htype != NET16(1) || f->ptype != NET16(ETH_P_IP) || f->hlen != 6 || f->plen != 4)
		return VERDICT_malformed;
	if (f->op == NET16(2))
		return VERDICT_reply;
	if (f->op != NET16(1)) /* RARP, InARP */
		return VERDICT_malformed;
	if (same_ip4(f->spa, f->tpa))
		return VERDICT_gratuitous;

	struct in6 target = {{0, 0, NET32(0xffff), (__u32)f->tpa.w[1] << 16 | f->tpa.w[0]}};
	enum verdict verdict = decide(frame, &target, claim);
	if (verdict != VERDICT_answered)
		return verdict;

	/* Also to a probe (RFC 5227 2.1.1, sender 0.0.0.0): the prober must learn of the conflict. */
	struct ip4 vip = f->tpa;
	f->dst = f->tha = f->sha;
	f->tpa = f->spa;
	f->src = f->sha = claim->link->mac;
	f->spa = vip;
	f->proto = NET16(ETH_P_ARP);
	f->op = NET16(2);
	return VERDICT_answered;
}

/* The checksum over the pseudo-header and `length` bytes of ICMPv6; 0 if it was right. */
INLINE __u16 icmp6_sum(struct nd *f, __u32 length)
{
	__u32 seed = NET32(length + ICMPV6);
	__u32 sum = sum_words((__be32 *)&f->saddr, sizeof f->saddr * 2 + length, seed);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

INLINE int is_unspecified(struct in6 *a)
{
	return !(a->w[0] | a->w[1] | a->w[2] | a->w[3]);
}

/*
 * The source link-layer address option; 0 if there is none, -1 if the options are unsound. They
 * must fill the message exactly; one of length 0 stops the walk early.
 */
INLINE int find_slla(struct nd *f, __u32 length, struct mac *mac)
{
	__u32 at = 0, end = (length - ND_FIXED) / 8;
	int found = 0, unsound = 0;
#ifdef __bpf__
#pragma unroll
#endif
	for (__u32 i = 0; i < MAX_OPTIONS; i++) {
		struct option *o = &f->option[i];
		if (i != at || i >= end)
			continue;
		at += o->len;
		if (o->type == SLLA || o->type == TLLA)
			unsound |= o->len != 1;
		if (o->type == SLLA && !found) {
			*mac = o->mac;
			found = 1;
		}
	}
	return at == end && !unsound ? found : -1;
}

INLINE int is_multicast(struct in6 *a)
{
	return (a->w[0] & NET32(0xff000000)) == NET32(0xff000000);
}

/* RFC 4291 2.7.1: ff02::1:ff and the low 24 bits of the target. */
INLINE int is_solicited_node(struct in6 *a, struct in6 *target)
{
	return a->w[0] == NET32(0xff020000) && !a->w[1] && a->w[2] == NET32(1) &&
	       a->w[3] == (target->w[3] | NET32(0xff000000));
}

/* RFC 4861 7.1.1. `mac` is where the answer goes. */
INLINE enum verdict valid(FRAME *frame, struct nd *f, struct mac *mac)
{
	if (load(frame, 0, &f->dst, 14 + 40))
		return VERDICT_malformed;
	/* SEND (RFC 3971) would need more stack than it is worth; such frames go to the kernel. */
	__u32 length = NET16(f->plen);
	if (length > ND_FIXED + 8 * MAX_OPTIONS)
		return VERDICT_oversized;
	if (length < ND_FIXED || length % 8)
		return VERDICT_malformed;
	if (load(frame, 14 + 40, &f->type, length))
		return VERDICT_malformed;
	if ((f->flow & NET32(0xf0000000)) != NET32(0x60000000) || f->hops != 255)
		return VERDICT_malformed;
	if (f->code != 0 || is_multicast(&f->target) || is_multicast(&f->saddr))
		return VERDICT_malformed;
	if (icmp6_sum(f, length))
		return VERDICT_malformed;
	*mac = f->src;
	int slla = find_slla(f, length, mac);
	if (slla < 0)
		return VERDICT_malformed;
	if (is_unspecified(&f->saddr) && (slla || !is_solicited_node(&f->daddr, &f->target)))
		return VERDICT_malformed;
	return VERDICT_answered;
}

/* RFC 4861 7.2.4: turns the solicitation into the advertisement. */
INLINE void advertise(struct nd *f, struct mac *to, struct mac *from)
{
	int dad = is_unspecified(&f->saddr);
	if (dad) { /* RFC 4862 5.4.3: someone tries our address; all nodes must hear it */
		f->daddr = (struct in6){{NET32(0xff020000), 0, 0, NET32(1)}};
		f->dst = (struct mac){{NET16(0x3333), 0, NET16(1)}};
	} else {
		f->daddr = f->saddr;
		f->dst = *to;
	}
	f->src = *from;
	f->proto = NET16(ETH_P_IPV6);
	f->flow = NET32(6u << 28);
	f->plen = NET16(ND_FIXED + 8);
	f->next = ICMPV6;
	f->hops = 255;
	f->saddr = f->target;
	f->type = NA_TYPE;
	f->code = 0;
	f->flags = NET32(dad ? 0x20000000 : 0x60000000); /* Override, and Solicited */
	f->option[0].type = TLLA;
	f->option[0].len = 1;
	f->option[0].mac = *from;
	f->csum = 0;
	f->csum = icmp6_sum(f, ND_FIXED + 8);
}


/* If answered, the NA_LEN bytes from f->dst on are the whole answer. `f` begins as zeros. */
INLINE enum verdict answer_nd(FRAME *frame, struct nd *f, struct claim *claim)
{
	struct mac to;
	if (is_tagged(frame))
		return VERDICT_other;
	if (is_otherhost(frame))
		return VERDICT_otherhost;
	enum verdict verdict = valid(frame, f, &to);
	if (verdict != VERDICT_answered)
		return verdict;
	verdict = decide(frame, &f->target, claim);
	if (verdict != VERDICT_answered)
		return verdict;
	advertise(f, &to, &claim->link->mac);
	return VERDICT_answered;
}
