// SPDX-License-Identifier: MIT OR GPL-2.0
/*
 * Answers ARP requests and Neighbor Solicitations for addresses that no interface owns, at the
 * ingress of a link (tcx, or a clsact filter), before the kernel's own ARP and NDP see them. The
 * decision is in responder.h.
 *
 * Rules of this file:
 * - Whatever is not ours continues as if we were not there: NEXT is TCX_NEXT and, on clsact,
 *   TC_ACT_UNSPEC. The frame is changed only after the decision to answer.
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
#define OTHERHOST 3 /* skb->pkt_type */

/* Plain structs instead of BTF-defined maps: scripts/bytecode.ts reads them from the ELF file. */
struct map {
	__u32 type, key_size, value_size, max_entries, flags;
};

struct map lease SEC("maps") = {BPF_MAP_TYPE_ARRAY, 4, sizeof(__u64), 1, BPF_F_MMAPABLE};
struct map links SEC("maps") = {BPF_MAP_TYPE_HASH, 4, sizeof(struct link), MAX_LINKS, 0};
struct map slots SEC("maps") = {BPF_MAP_TYPE_ARRAY, 4, sizeof(struct slot), MAX_VIPS,
				BPF_F_MMAPABLE};
struct map verdicts SEC("maps") = {BPF_MAP_TYPE_ARRAY, 4, sizeof(__u64), N_VERDICTS,
				   BPF_F_MMAPABLE};
/* Preallocated: a takeover must not fail for want of memory. */
struct map vips SEC("maps") = {BPF_MAP_TYPE_HASH, sizeof(struct in6), sizeof(struct vip),
			       MAX_VIPS, 0};

INLINE int load(FRAME *skb, __u32 at, void *to, __u32 length)
{
	return bpf_skb_load_bytes(skb, at, to, length);
}

INLINE int is_tagged(FRAME *skb)
{
	return skb->vlan_present;
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

INLINE int next(enum verdict verdict)
{
	__u32 i = verdict;
	__u64 *counter;
	if (verdict == VERDICT_other)
		return NEXT;
	counter = bpf_map_lookup_elem(&verdicts, &i);
	if (counter)
		count(counter);
	return NEXT;
}

INLINE int answered(struct claim *claim, __u32 ifindex)
{
	note_answer(claim);
	next(VERDICT_answered);
	return bpf_redirect(ifindex, 0);
}

INLINE int arp(FRAME *skb)
{
	__u32 ifindex = skb->ifindex;
	struct arp f;
	struct claim claim;
	enum verdict verdict = answer_arp(skb, &f, &claim);
	if (verdict != VERDICT_answered)
		return next(verdict);
	if (bpf_skb_store_bytes(skb, 0, &f, ARP_LEN, BPF_F_RECOMPUTE_CSUM))
		return next(VERDICT_failed);
	return answered(&claim, ifindex);
}

INLINE int ndp(FRAME *skb)
{
	/* All IPv6 traffic comes here: usually one compare on linear data and out. */
	__u8 *data = (__u8 *)(long)skb->data, *end = (__u8 *)(long)skb->data_end, type;
	if (data + 55 <= end) {
		if (data[20] != ICMPV6 || data[54] != NS_TYPE)
			return NEXT;
	} else {
		if (bpf_skb_load_bytes(skb, 20, &type, 1) || type != ICMPV6)
			return NEXT;
		if (bpf_skb_load_bytes(skb, 54, &type, 1) || type != NS_TYPE)
			return NEXT;
	}

	__u32 ifindex = skb->ifindex;
	struct nd f = {};
	struct claim claim;
	enum verdict verdict = answer_nd(skb, &f, &claim);
	if (verdict != VERDICT_answered)
		return next(verdict);
	if (skb->len != NA_LEN && bpf_skb_change_tail(skb, NA_LEN, 0))
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
