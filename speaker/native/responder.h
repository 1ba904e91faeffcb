/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * What happens to an ARP frame or a Neighbor Discovery message: the one decision of both native
 * planes. Questions for our addresses are answered; who else claims an address of the table is
 * told (a sighting); what this host's kernel would say of an address that is not ours is the
 * guard's business. Neighbor Discovery has its part in neighbor.h.
 * responder.bpf.c runs it in the kernel, userspace.h in a thread. speaker/respond.ts and
 * speaker/guard.ts say the same in TypeScript, and tests compare all three.
 *
 * Written for the verifier of kernel 5.8: no loops, no calls, no pointers into the frame. The
 * including file defines FRAME, the type of a frame, and the functions under "the world".
 */
#pragma once
#include "tables.h"

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

_Static_assert(sizeof(struct arp) == ARP_LEN, "ARP frame");

/* The world, as the including file has it. */
/* 0, or the frame ends before at + length. */
INLINE int load(FRAME *frame, __u32 at, void *to, __u32 length);
/* Of a VLAN; VLAN 0, a mere priority, is none: the kernel's own ARP answers that too. */
INLINE int is_tagged(FRAME *frame);
/* Unicast, and not to this link. */
INLINE int is_otherhost(FRAME *frame);
INLINE __u32 link_index(FRAME *frame);
INLINE struct vip *find_vip(FRAME *frame, struct in6 *ip);
INLINE struct link *find_link(FRAME *frame, __u32 index);
INLINE struct slot *find_slot(FRAME *frame, __u32 index);
/* The MAC of a link in use. */
INLINE int is_own(FRAME *frame, struct mac *mac);
/* Room for a sighting, or none; to be given to `tell`. */
INLINE struct sighting *new_sighting(FRAME *frame);
INLINE void tell(FRAME *frame, struct sighting *sighting);
/* CLOCK_MONOTONIC, ns; the answers end there. */
INLINE __u64 *find_lease(FRAME *frame);
INLINE __u64 monotonic(void);

INLINE void count(__u64 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

INLINE int same_ip4(struct ip4 a, struct ip4 b)
{
	return a.w[0] == b.w[0] && a.w[1] == b.w[1];
}

INLINE int is_group(struct mac *mac)
{
	return mac->w[0] & NET16(0x0100);
}

INLINE int is_on(struct vip *vip, struct link *link)
{
	return vip->links >> (link->bit & 63) & 1;
}

/* The processors do not wait for each other here: at the worst they tell a few more. */
INLINE int may_tell(__u64 *told, __u64 now)
{
	__u64 period = now >> PERIOD_BITS << 8, before = *(volatile __u64 *)told;
	if (before >> 8 != period >> 8)
		before = period;
	if ((before & 0xff) >= MOST_SIGHTINGS)
		return 0;
	*(volatile __u64 *)told = before + 1;
	return 1;
}

/* A frame says that `ip` is at `mac`. */
INLINE void sight(FRAME *frame, struct in6 *ip, struct mac *mac, enum form form, int direct)
{
	struct vip *vip = find_vip(frame, ip);
	if (!vip)
		return;
	struct link *link = find_link(frame, link_index(frame));
	if (!link || !is_on(vip, link) || is_own(frame, mac))
		return;
	struct slot *slot = find_slot(frame, vip->slot);
	if (!slot)
		return;
	count(&slot->seen);
	__u64 now = monotonic();
	int tells;
	/*
	 * One of two addresses, chosen by the frame, is pointer arithmetic that the verifier allows
	 * only to CAP_PERFMON; what stands between keeps the compiler from making it of this.
	 */
	if (direct && form == FORM_reply) {
		asm volatile("" ::: "memory");
		tells = may_tell(&slot->told_direct, now);
		asm volatile("" ::: "memory");
	} else {
		tells = may_tell(&slot->told, now);
	}
	if (!tells)
		return;
	struct sighting *s = new_sighting(frame);
	if (!s)
		return;
	*s = (struct sighting){.at = now, .ip = *ip, .link = link_index(frame), .mac = *mac,
			       .form = form};
	tell(frame, s);
}

/* What the answer needs to know. It begins as zeros. */
struct claim {
	struct link *link;
	struct slot *slot;
	__u64 now;
	int guarded, silenced;
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
	struct slot *slot = find_slot(frame, vip->slot);
	__u64 *until = find_lease(frame);
	if (!slot || !until)
		return VERDICT_failed;
	count(&slot->asked);
	claim->link = link;
	claim->slot = slot;
	claim->guarded = vip->flags & VIP_GUARD;
	if (!is_on(vip, link))
		return VERDICT_restricted;
	if (vip->flags & VIP_WATCH)
		return VERDICT_watched;
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

INLINE struct in6 mapped(struct ip4 ip)
{
	return (struct in6){{0, 0, NET32(0xffff), (__u32)ip.w[1] << 16 | ip.w[0]}};
}

/* Not RARP, not InARP. */
INLINE int is_arp(struct arp *f)
{
	return f->htype == NET16(1) && f->ptype == NET16(ETH_P_IP) && f->hlen == 6 && f->plen == 4 &&
	       (f->op == NET16(1) || f->op == NET16(2));
}

/*
 * If answered, `f` holds the ARP_LEN bytes to put at the head of the frame. If silenced, the frame
 * shall go no further: an address of the table that we do not answer, nobody here does.
 */
INLINE enum verdict answer_arp(FRAME *frame, struct arp *f, struct claim *claim)
{
	if (is_tagged(frame))
		return VERDICT_other;
	if (is_otherhost(frame))
		return VERDICT_otherhost;
	if (load(frame, 0, f, ARP_LEN) || !is_arp(f))
		return VERDICT_malformed;
	int asks = f->op == NET16(1), probes = asks && !(f->spa.w[0] | f->spa.w[1]);
	struct in6 target = mapped(f->tpa), claimed = probes ? target : mapped(f->spa);
	enum form form = probes ? FORM_probe : asks ? FORM_request : FORM_reply;
	sight(frame, &claimed, &f->sha, form, !is_group(&f->dst));
	if (!asks)
		return VERDICT_reply;
	if (same_ip4(f->spa, f->tpa))
		return VERDICT_gratuitous;

	enum verdict verdict = decide(frame, &target, claim);
	if (verdict == VERDICT_restricted || verdict == VERDICT_watched || verdict == VERDICT_lapsed) {
		claim->silenced = claim->guarded;
		if (claim->silenced)
			count(&claim->slot->silenced);
	}
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

enum care { CARE_leave, CARE_rewrite, CARE_suppress };

/*
 * A frame of this host that leaves: whether it speaks for an address of the table that we do not
 * hold. To be rewritten: then its sender must become `sender`.
 */
INLINE enum care guard_arp(FRAME *frame, struct arp *f, __u32 *sender)
{
	if (is_tagged(frame) || load(frame, 0, f, ARP_LEN) || !is_arp(f))
		return CARE_leave;
	struct in6 ip = mapped(f->spa);
	struct vip *vip = find_vip(frame, &ip);
	if (!vip || !(vip->flags & VIP_GUARD))
		return CARE_leave;
	struct link *link = find_link(frame, link_index(frame));
	__u64 *until = find_lease(frame);
	if (!link || !until)
		return CARE_leave;
	if (!(vip->flags & VIP_WATCH) && is_on(vip, link) && monotonic() < *(volatile __u64 *)until)
		return CARE_leave;
	if (f->op != NET16(1) || same_ip4(f->spa, f->tpa))
		return CARE_suppress;
	*sender = link->ip4;
	return CARE_rewrite;
}
#define ARP_SENDER_AT 28

_Static_assert(__builtin_offsetof(struct arp, spa) == ARP_SENDER_AT, "where the sender is");

#include "neighbor.h"
