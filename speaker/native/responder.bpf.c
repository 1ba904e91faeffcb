// SPDX-License-Identifier: MIT OR GPL-2.0
/*
 * Answers ARP requests and Neighbor Solicitations for addresses that no interface owns, at the
 * ingress of a link (tcx, or a clsact filter), before the kernel's own ARP and NDP see them.
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
 * wrong VLAN; on veth it breaks segmentation offload), AF_PACKET (four times the latency, and a
 * frozen process is a silent one).
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "responder.h"

#define INLINE static __attribute__((always_inline)) inline
#define NEXT (-1)

#define ETH_P_ARP 0x0806
#define ETH_P_IPV6 0x86dd
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
_Static_assert(sizeof(struct slot) == 64, "one cache line per slot");

INLINE void count(__u64 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

INLINE int next(enum verdict verdict)
{
	__u32 i = verdict;
	__u64 *counter = bpf_map_lookup_elem(&verdicts, &i);
	if (counter)
		count(counter);
	return NEXT;
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

/* The decision, the same for both families. Unknown first: it is the fate of most broadcasts. */
INLINE enum verdict decide(struct in6 *target, __u32 ifindex, struct claim *claim)
{
	__u32 zero = 0;
	struct vip *vip = bpf_map_lookup_elem(&vips, target);
	if (!vip)
		return VERDICT_unknown;
	struct link *link = bpf_map_lookup_elem(&links, &ifindex);
	if (!link)
		return VERDICT_unattached;
	if (!(vip->links & 1ull << (link->bit & 63)))
		return VERDICT_restricted;
	__u32 index = vip->slot;
	struct slot *slot = bpf_map_lookup_elem(&slots, &index);
	__u64 *until = bpf_map_lookup_elem(&lease, &zero);
	if (!slot || !until)
		return VERDICT_failed;
	claim->link = link;
	claim->slot = slot;
	claim->now = bpf_ktime_get_ns();
	if (claim->now >= *(volatile __u64 *)until) {
		count(&slot->lapsed);
		return VERDICT_lapsed;
	}
	return VERDICT_answered;
}

INLINE int answered(struct claim *claim, __u32 ifindex)
{
	count(&claim->slot->answered);
	claim->slot->last_answer = claim->now;
	next(VERDICT_answered);
	return bpf_redirect(ifindex, 0);
}

INLINE int arp(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	struct arp f;

	if (skb->vlan_present)
		return NEXT;
	if (skb->pkt_type == OTHERHOST)
		return next(VERDICT_otherhost);
	if (bpf_skb_load_bytes(skb, ARP_AT, &f.htype, ARP_LEN - ARP_AT))
		return next(VERDICT_malformed);
	if (f.htype != bpf_htons(1) || f.ptype != bpf_htons(0x0800) || f.hlen != 6 || f.plen != 4)
		return next(VERDICT_malformed);
	if (f.op == bpf_htons(2))
		return next(VERDICT_reply);
	if (f.op != bpf_htons(1)) /* RARP, InARP */
		return next(VERDICT_malformed);
	if (same_ip4(f.spa, f.tpa))
		return next(VERDICT_gratuitous);

	struct in6 target = {{0, 0, bpf_htonl(0xffff), (__u32)f.tpa.w[1] << 16 | f.tpa.w[0]}};
	struct claim claim;
	enum verdict verdict = decide(&target, ifindex, &claim);
	if (verdict != VERDICT_answered)
		return next(verdict);

	/* Also to a probe (RFC 5227 2.1.1, sender 0.0.0.0): the prober must learn of the conflict. */
	struct ip4 vip = f.tpa;
	f.dst = f.tha = f.sha;
	f.tpa = f.spa;
	f.src = f.sha = claim.link->mac;
	f.spa = vip;
	f.proto = bpf_htons(ETH_P_ARP);
	f.op = bpf_htons(2);
	if (bpf_skb_store_bytes(skb, 0, &f, ARP_LEN, BPF_F_RECOMPUTE_CSUM))
		return next(VERDICT_failed);
	return answered(&claim, ifindex);
}

/* The checksum over the pseudo-header and `length` bytes of ICMPv6; 0 if it was right. */
INLINE __u16 icmp6_sum(struct nd *f, __u32 length)
{
	__u32 seed = bpf_htonl(length + ICMPV6);
	__u32 sum = bpf_csum_diff(0, 0, (__be32 *)&f->saddr, sizeof f->saddr * 2 + length, seed);
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
#pragma unroll
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
	return (a->w[0] & bpf_htonl(0xff000000)) == bpf_htonl(0xff000000);
}

/* RFC 4291 2.7.1: ff02::1:ff and the low 24 bits of the target. */
INLINE int is_solicited_node(struct in6 *a, struct in6 *target)
{
	return a->w[0] == bpf_htonl(0xff020000) && !a->w[1] && a->w[2] == bpf_htonl(1) &&
	       a->w[3] == (target->w[3] | bpf_htonl(0xff000000));
}

/* RFC 4861 7.1.1. `mac` is where the answer goes. */
INLINE enum verdict valid(struct __sk_buff *skb, struct nd *f, struct mac *mac)
{
	if (bpf_skb_load_bytes(skb, 0, &f->dst, 14 + 40))
		return VERDICT_malformed;
	/* SEND (RFC 3971) would need more stack than it is worth; such frames go to the kernel. */
	__u32 length = bpf_ntohs(f->plen);
	if (length > ND_FIXED + 8 * MAX_OPTIONS)
		return VERDICT_oversized;
	if (length < ND_FIXED || length % 8)
		return VERDICT_malformed;
	if (bpf_skb_load_bytes(skb, 14 + 40, &f->type, length))
		return VERDICT_malformed;
	if ((f->flow & bpf_htonl(0xf0000000)) != bpf_htonl(0x60000000) || f->hops != 255)
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
		f->daddr = (struct in6){{bpf_htonl(0xff020000), 0, 0, bpf_htonl(1)}};
		f->dst = (struct mac){{bpf_htons(0x3333), 0, bpf_htons(1)}};
	} else {
		f->daddr = f->saddr;
		f->dst = *to;
	}
	f->src = *from;
	f->proto = bpf_htons(ETH_P_IPV6);
	f->flow = bpf_htonl(6u << 28);
	f->plen = bpf_htons(ND_FIXED + 8);
	f->next = ICMPV6;
	f->hops = 255;
	f->saddr = f->target;
	f->type = NA_TYPE;
	f->code = 0;
	f->flags = bpf_htonl(dad ? 0x20000000 : 0x60000000); /* Override, and Solicited */
	f->option[0].type = TLLA;
	f->option[0].len = 1;
	f->option[0].mac = *from;
	f->csum = 0;
	f->csum = icmp6_sum(f, ND_FIXED + 8);
}

INLINE int ndp(struct __sk_buff *skb)
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
	if (skb->vlan_present)
		return NEXT;
	if (skb->pkt_type == OTHERHOST)
		return next(VERDICT_otherhost);

	__u32 ifindex = skb->ifindex;
	struct nd f = {};
	struct mac to;
	struct claim claim;
	enum verdict verdict = valid(skb, &f, &to);
	if (verdict != VERDICT_answered)
		return next(verdict);
	verdict = decide(&f.target, ifindex, &claim);
	if (verdict != VERDICT_answered)
		return next(verdict);

	advertise(&f, &to, &claim.link->mac);
	if (skb->len != NA_LEN && bpf_skb_change_tail(skb, NA_LEN, 0))
		return next(VERDICT_failed);
	if (bpf_skb_store_bytes(skb, 0, &f.dst, NA_LEN, BPF_F_RECOMPUTE_CSUM))
		return next(VERDICT_failed);
	return answered(&claim, ifindex);
}

SEC("classifier")
int responder(struct __sk_buff *skb)
{
	if (skb->protocol == bpf_htons(ETH_P_ARP))
		return arp(skb);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
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
