/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * The part of responder.h for Neighbor Discovery (RFC 4861): solicitations are answered,
 * advertisements watched. Everything else of ICMPv6 is the kernel's.
 */
#pragma once

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

_Static_assert(__builtin_offsetof(struct nd, option) == 80, "ND frame, behind 2 bytes of padding");

/* Sum of 16-bit words, in a width that cannot overflow; length is a multiple of 4. */
INLINE __u32 sum_words(__be32 *words, __u32 length, __u32 seed);

/* The checksum over the pseudo-header and `length` bytes of ICMPv6; 0 if it was right. */
INLINE __u16 icmp6_sum(struct nd *f, __u32 length)
{
	__u32 seed = NET32(length + ICMPV6);
	__u32 sum = sum_words((__be32 *)&f->saddr, sizeof f->saddr * 2 + length, seed);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

INLINE int is_neighbor(__u8 type)
{
	return type == NS_TYPE || type == NA_TYPE;
}

INLINE int is_unspecified(struct in6 *a)
{
	return !(a->w[0] | a->w[1] | a->w[2] | a->w[3]);
}

/*
 * The link-layer address option of this type; 0 if there is none, -1 if the options are unsound.
 * They must fill the message exactly; one of length 0 stops the walk early.
 */
INLINE int find_option(struct nd *f, __u32 length, __u8 type, struct mac *mac)
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
		if (o->type == type && !found) {
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

/* RFC 4861 7.1.1, 7.1.2. `mac` is whose it is: that of the option, or else the Ethernet source. */
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
	int asks = f->type == NS_TYPE;
	int option = find_option(f, length, asks ? SLLA : TLLA, mac);
	if (option < 0)
		return VERDICT_malformed;
	if (!asks) {
		int solicited = (f->flags & NET32(0x40000000)) != 0;
		return solicited && is_multicast(&f->daddr) ? VERDICT_malformed : VERDICT_reply;
	}
	if (is_unspecified(&f->saddr) && (option || !is_solicited_node(&f->daddr, &f->target)))
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

/* The key of an IPv4 address in the tables; nothing that Neighbor Discovery is about. */
INLINE int is_mapped(struct in6 *a)
{
	return !(a->w[0] | a->w[1]) && a->w[2] == NET32(0xffff);
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
	if (verdict != VERDICT_answered && verdict != VERDICT_reply)
		return verdict;
	int asks = verdict == VERDICT_answered, probes = asks && is_unspecified(&f->saddr);
	struct in6 claimed = asks && !probes ? f->saddr : f->target;
	enum form form = probes ? FORM_probe : asks ? FORM_request : FORM_reply;
	if (!is_mapped(&claimed))
		sight(frame, &claimed, &to, form, !is_group(&f->dst));
	if (!asks)
		return VERDICT_reply;
	if (is_mapped(&f->target))
		return VERDICT_unknown;
	verdict = decide(frame, &f->target, claim);
	if (verdict != VERDICT_answered)
		return verdict;
	advertise(f, &to, &claim->link->mac);
	return VERDICT_answered;
}
