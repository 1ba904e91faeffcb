// SPDX-License-Identifier: MIT OR GPL-2.0
/*
 * Answers ARP requests and Neighbor Solicitations for addresses that no interface owns, at the
 * ingress of a link (tcx, or a clsact filter), before the kernel's own ARP and NDP see them; and
 * at its egress keeps the kernel from speaking for them. The decisions are in responder.h.
 *
 * Rules of this file:
 * - Whatever is not ours continues as if we were not there: NEXT is TCX_NEXT and, on clsact,
 *   TC_ACT_UNSPEC. The frame is changed only after the decision to answer, and dropped (DROP is
 *   TCX_DROP and TC_ACT_SHOT) only where the guard is on.
 * - The program answers only before the deadline in `lease` (CLOCK_MONOTONIC ns). User space moves
 *   it forward with a plain store; when it dies or freezes, the answers end by themselves.
 * - Frames are written with bpf_skb_store_bytes. One direct packet write would make the verifier
 *   put an skb_unclone prologue before every packet, which costs local TCP 15 % of its CPU.
 * - Only what needs no BTF, no BPF-to-BPF calls and no globals: kernel 5.8 and clang -mcpu=v2.
 *
 * Alternatives not taken: XDP (generic XDP does not see hardware VLAN tags and answered for the
 * wrong VLAN; on veth it breaks segmentation offload).
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#define FRAME struct __sk_buff
#include "responder.h"

#define NEXT (-1)
#define DROP 2
#define OTHERHOST 3 /* skb->pkt_type */
#define VLAN_ID 0xfff
#define SIGHTING_BYTES (1 << 17) /* in the ring: 2700 of them; a page at least, of 64 KiB too */

/* Plain structs instead of BTF-defined maps: scripts/bytecode.ts reads them from the ELF file. */
struct map {
	__u32 type, key_size, value_size, max_entries, flags;
};

struct map lease SEC("maps") = {BPF_MAP_TYPE_ARRAY, 4, sizeof(__u64), 1, BPF_F_MMAPABLE};
struct map links SEC("maps") = {BPF_MAP_TYPE_HASH, 4, sizeof(struct link), MAX_LINKS, 0};
struct map slots SEC("maps") = {BPF_MAP_TYPE_ARRAY, 4, sizeof(struct slot), MAX_VIPS,
				BPF_F_MMAPABLE};
struct map verdicts SEC("maps") = {BPF_MAP_TYPE_ARRAY, 4, sizeof(__u64), N_COUNTERS,
				   BPF_F_MMAPABLE};
/* The MACs of links in use; the value means nothing. */
struct map macs SEC("maps") = {BPF_MAP_TYPE_HASH, sizeof(struct mac), 4, MAX_LINKS, 0};
struct map sightings SEC("maps") = {BPF_MAP_TYPE_RINGBUF, 0, 0, SIGHTING_BYTES, 0};
/* Preallocated: a takeover must not fail for want of memory. */
struct map vips SEC("maps") = {BPF_MAP_TYPE_HASH, sizeof(struct in6), sizeof(struct vip),
			       MAX_VIPS, 0};

INLINE int load(FRAME *skb, __u32 at, void *to, __u32 length)
{
	return bpf_skb_load_bytes(skb, at, to, length);
}

INLINE int is_tagged(FRAME *skb)
{
	return skb->vlan_present && skb->vlan_tci & VLAN_ID;
}

INLINE int is_otherhost(FRAME *skb)
{
	return skb->pkt_type == OTHERHOST;
}

INLINE __u32 link_index(FRAME *skb)
{
	return skb->ifindex;
}

INLINE struct vip *find_vip(FRAME *skb, struct in6 *ip)
{
	(void)skb;
	return bpf_map_lookup_elem(&vips, ip);
}

INLINE struct link *find_link(FRAME *skb, __u32 index)
{
	(void)skb;
	return bpf_map_lookup_elem(&links, &index);
}

INLINE struct slot *find_slot(FRAME *skb, __u32 index)
{
	(void)skb;
	return bpf_map_lookup_elem(&slots, &index);
}

INLINE int is_own(FRAME *skb, struct mac *mac)
{
	(void)skb;
	return bpf_map_lookup_elem(&macs, mac) != 0;
}

INLINE struct sighting *new_sighting(FRAME *skb)
{
	(void)skb;
	return bpf_ringbuf_reserve(&sightings, sizeof(struct sighting), 0);
}

/* User space comes by itself: nobody is to be woken for a frame from the network. */
INLINE void tell(FRAME *skb, struct sighting *sighting)
{
	(void)skb;
	bpf_ringbuf_submit(sighting, BPF_RB_NO_WAKEUP);
}

INLINE __u64 *find_lease(FRAME *skb)
{
	__u32 zero = 0;
	(void)skb;
	return bpf_map_lookup_elem(&lease, &zero);
}

INLINE __u64 monotonic(void)
{
	return bpf_ktime_get_ns();
}

INLINE __u32 sum_words(__be32 *words, __u32 length, __u32 seed)
{
	return bpf_csum_diff(0, 0, words, length, seed);
}

INLINE void note(__u32 counter)
{
	__u64 *at = bpf_map_lookup_elem(&verdicts, &counter);
	if (at)
		count(at);
}

INLINE int next(enum verdict verdict)
{
	if (verdict != VERDICT_other)
		note(verdict);
	return NEXT;
}

INLINE int answered(struct claim *claim, __u32 ifindex)
{
	note_answer(claim);
	note(VERDICT_answered);
	return bpf_redirect(ifindex, 0);
}

/* The answer to a frame of VLAN 0 is untagged, as the kernel's own. */
INLINE int untag(FRAME *skb)
{
	return skb->vlan_present ? bpf_skb_vlan_pop(skb) : 0;
}

INLINE int arp(FRAME *skb)
{
	__u32 ifindex = skb->ifindex;
	struct arp f;
	struct claim claim = {};
	enum verdict verdict = answer_arp(skb, &f, &claim);
	if (claim.silenced)
		note(DEED_silenced);
	if (verdict != VERDICT_answered) {
		next(verdict);
		return claim.silenced ? DROP : NEXT;
	}
	if (untag(skb) || bpf_skb_store_bytes(skb, 0, &f, ARP_LEN, BPF_F_RECOMPUTE_CSUM))
		return next(VERDICT_failed);
	return answered(&claim, ifindex);
}

INLINE int ndp(FRAME *skb)
{
	/* All IPv6 traffic comes here: usually one compare on linear data and out. */
	__u8 *data = (__u8 *)(long)skb->data, *end = (__u8 *)(long)skb->data_end, type;
	if (data + 55 <= end) {
		if (data[20] != ICMPV6 || !is_neighbor(data[54]))
			return NEXT;
	} else {
		if (bpf_skb_load_bytes(skb, 20, &type, 1) || type != ICMPV6)
			return NEXT;
		if (bpf_skb_load_bytes(skb, 54, &type, 1) || !is_neighbor(type))
			return NEXT;
	}

	__u32 ifindex = skb->ifindex;
	struct nd f = {};
	struct claim claim = {};
	enum verdict verdict = answer_nd(skb, &f, &claim);
	if (verdict != VERDICT_answered)
		return next(verdict);
	if (untag(skb) || (skb->len != NA_LEN && bpf_skb_change_tail(skb, NA_LEN, 0)))
		return next(VERDICT_failed);
	if (bpf_skb_store_bytes(skb, 0, &f.dst, NA_LEN, BPF_F_RECOMPUTE_CSUM))
		return next(VERDICT_failed);
	return answered(&claim, ifindex);
}

SEC("classifier")
int responder(struct __sk_buff *skb)
{
	if (skb->protocol == NET16(ETH_P_ARP))
		return arp(skb);
	if (skb->protocol == NET16(ETH_P_IPV6))
		return ndp(skb);
	return NEXT;
}

/* At egress. ARP only: Linux speaks for an IPv6 address only on the link that has it. */
SEC("classifier")
int guard(struct __sk_buff *skb)
{
	struct arp f;
	__u32 sender;
	if (skb->protocol != NET16(ETH_P_ARP))
		return NEXT;
	switch (guard_arp(skb, &f, &sender)) {
	case CARE_leave:
		return NEXT;
	case CARE_rewrite:
		note(DEED_rewritten);
		if (!bpf_skb_store_bytes(skb, ARP_SENDER_AT, &sender, sizeof sender, 0))
			return NEXT;
		return DROP;
	case CARE_suppress:
		note(DEED_suppressed);
	}
	return DROP;
}

/*
 * Sends the frame it is given out of the link whose index is in cb[0]. Run by BPF_PROG_TEST_RUN:
 * so announcements need no socket and no CAP_NET_RAW.
 */
SEC("classifier")
int emit(struct __sk_buff *skb)
{
	return bpf_clone_redirect(skb, skb->cb[0], 0);
}

char _license[] SEC("license") = "Dual MIT/GPL";
