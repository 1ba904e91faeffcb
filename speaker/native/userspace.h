/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decision of responder.h in user space: a frame is bytes in memory, the tables are those of
 * this process. No system call but the clock's, no lock: packet.c has both, and a fuzzer needs
 * neither.
 */
#pragma once
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#define FRAME struct frame
struct frame;
#include "responder.h"

#define OTHERHOST 3 /* sll_pkttype: a destination MAC that is not this link's */

#define RING 1024 /* sightings that wait for TypeScript */

/*
 * What TypeScript reads, and of which it writes the lease and how far it has read the ring;
 * speaker/io/packet.ts knows the words.
 */
struct shared {
	__u64 lease;
	__u64 written, read; /* sightings, since the beginning */
	__u64 spare[5];
	__u64 verdicts[24];
	struct slot slots[MAX_VIPS];
	struct sighting ring[RING];
};

_Static_assert(N_COUNTERS <= 24, "room for every counter");
_Static_assert(offsetof(struct shared, slots) == 32 * 8, "speaker/io/packet.ts counts on it");

/* Half empty at most, so that a search for an unknown address ends soon. */
#ifndef BUCKETS /* a fuzzer has few, so that many addresses want the same one */
#define BUCKETS (2 * MAX_VIPS)
#endif

struct bucket {
	struct in6 ip;
	struct vip vip;
	bool used;
};

struct tables {
	struct shared *shared;
	__u32 vips, links;
	struct {
		__u32 index;
		struct link link;
	} link[MAX_LINKS];
	struct bucket bucket[BUCKETS];
};

struct frame {
	struct tables *tables;
	const __u8 *data;
	__u32 length;
	__u32 link;
	__u8 kind;   /* sll_pkttype */
	bool tagged; /* the kernel handed over a VLAN tag with it */
};

/* --- the world of responder.h --- */

INLINE int load(FRAME *frame, __u32 at, void *to, __u32 length)
{
	if (at > frame->length || length > frame->length - at)
		return -1;
	memcpy(to, frame->data + at, length);
	return 0;
}

INLINE __u32 link_index(FRAME *frame)
{
	return frame->link;
}

INLINE struct link *find_link(FRAME *frame, __u32 index)
{
	struct tables *t = frame->tables;
	for (__u32 i = 0; i < t->links; i++)
		if (t->link[i].index == index)
			return &t->link[i].link;
	return NULL;
}

/*
 * The kernel takes the tag off before a socket of one protocol sees the frame. If no interface is
 * there for the VLAN, it marks the frame as another host's, even one to a group or to this link.
 */
INLINE int is_tagged(FRAME *frame)
{
	struct mac to;
	if (frame->tagged)
		return 1;
	if (frame->kind != OTHERHOST || load(frame, 0, &to, sizeof to))
		return 0;
	struct link *link = find_link(frame, frame->link);
	return (frame->data[0] & 1) || (link && !memcmp(&to, &link->mac, sizeof to));
}

INLINE int is_otherhost(FRAME *frame)
{
	return frame->kind == OTHERHOST;
}

/* Multiplying spreads neighbours; who asks cannot choose what is in the table. */
INLINE __u32 first_bucket(const struct in6 *ip)
{
	__u64 h = ((__u64)ip->w[0] << 32 | ip->w[1]) * 0x9e3779b97f4a7c15ull;
	h = (h ^ h >> 32 ^ ((__u64)ip->w[2] << 32 | ip->w[3])) * 0x9e3779b97f4a7c15ull;
	return (h >> 32) % BUCKETS;
}

/* The bucket of an address, or the free one where it belongs. */
INLINE struct bucket *find_bucket(struct tables *t, const struct in6 *ip)
{
	__u32 i = first_bucket(ip);
	while (t->bucket[i].used && memcmp(&t->bucket[i].ip, ip, sizeof *ip))
		i = (i + 1) % BUCKETS;
	return &t->bucket[i];
}

INLINE struct vip *find_vip(FRAME *frame, struct in6 *ip)
{
	struct bucket *b = find_bucket(frame->tables, ip);
	return b->used ? &b->vip : NULL;
}

INLINE struct slot *find_slot(FRAME *frame, __u32 index)
{
	return index < MAX_VIPS ? &frame->tables->shared->slots[index] : NULL;
}

INLINE int is_own(FRAME *frame, struct mac *mac)
{
	struct tables *t = frame->tables;
	for (__u32 i = 0; i < t->links; i++)
		if (!memcmp(&t->link[i].link.mac, mac, sizeof *mac))
			return 1;
	return 0;
}

/* One thread writes, one reads; what finds no room is lost, but counted. */
INLINE struct sighting *new_sighting(FRAME *frame)
{
	struct shared *shared = frame->tables->shared;
	__u64 read = __atomic_load_n(&shared->read, __ATOMIC_ACQUIRE);
	return shared->written - read < RING ? &shared->ring[shared->written % RING] : NULL;
}

INLINE void tell(FRAME *frame, struct sighting *sighting)
{
	struct shared *shared = frame->tables->shared;
	(void)sighting;
	__atomic_store_n(&shared->written, shared->written + 1, __ATOMIC_RELEASE);
}

INLINE __u64 *find_lease(FRAME *frame)
{
	return &frame->tables->shared->lease;
}

INLINE __u64 monotonic(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

INLINE __u32 sum_words(__be32 *words, __u32 length, __u32 seed)
{
	__u64 sum = seed;
	for (__u32 i = 0; i < length / 4; i++) {
		__u32 word; /* copied, because the bytes were written as fields of other widths */
		memcpy(&word, words + i, sizeof word);
		sum += word;
	}
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (sum & 0xffffffff) + (sum >> 32);
}

/* --- changes; 0 or a negative errno --- */

INLINE int put_vip(struct tables *t, const struct in6 *ip, const struct vip *vip)
{
	struct bucket *b = find_bucket(t, ip);
	if (!b->used && t->vips == MAX_VIPS)
		return -E2BIG;
	t->vips += !b->used;
	*b = (struct bucket){.ip = *ip, .vip = *vip, .used = true};
	return 0;
}

/* Closes the gap: whatever was put further back because of it moves up. */
INLINE int remove_vip(struct tables *t, const struct in6 *ip)
{
	struct bucket *gap = find_bucket(t, ip);
	if (!gap->used)
		return -ENOENT;
	t->vips--;
	__u32 hole = gap - t->bucket;
	for (__u32 i = (hole + 1) % BUCKETS; t->bucket[i].used; i = (i + 1) % BUCKETS) {
		__u32 wanted = first_bucket(&t->bucket[i].ip);
		if ((i + BUCKETS - wanted) % BUCKETS < (i + BUCKETS - hole) % BUCKETS)
			continue;
		t->bucket[hole] = t->bucket[i];
		hole = i;
	}
	t->bucket[hole].used = false;
	return 0;
}

INLINE int put_link(struct tables *t, __u32 index, const struct link *link)
{
	__u32 i = 0;
	while (i < t->links && t->link[i].index != index)
		i++;
	if (i == MAX_LINKS)
		return -E2BIG;
	t->links += i == t->links;
	t->link[i].index = index;
	t->link[i].link = *link;
	return 0;
}

INLINE int remove_link(struct tables *t, __u32 index)
{
	for (__u32 i = 0; i < t->links; i++) {
		if (t->link[i].index != index)
			continue;
		t->link[i] = t->link[--t->links];
		return 0;
	}
	return -ENOENT;
}

/* --- one frame --- */

/*
 * If answered, `reply` (at least NA_LEN bytes, and as many as the frame has) holds the answer and
 * `length` says how long it is. Whoever sends it calls note_answer then.
 */
static inline enum verdict respond(struct frame *frame, __u8 *reply, __u32 *length,
				   struct claim *claim)
{
	__be16 proto;
	__u8 next, type;
	enum verdict verdict;
	if (load(frame, 12, &proto, 2))
		return VERDICT_other;
	if (proto == NET16(ETH_P_ARP)) {
		struct arp f;
		verdict = answer_arp(frame, &f, claim);
		if (verdict != VERDICT_answered)
			return verdict;
		memcpy(reply, frame->data, frame->length); /* its padding stays */
		memcpy(reply, &f, ARP_LEN);
		*length = frame->length;
		return verdict;
	}
	if (proto != NET16(ETH_P_IPV6) || load(frame, 20, &next, 1) || next != ICMPV6)
		return VERDICT_other;
	if (load(frame, 54, &type, 1) || !is_neighbor(type))
		return VERDICT_other;
	struct nd f = {0};
	verdict = answer_nd(frame, &f, claim);
	if (verdict != VERDICT_answered)
		return verdict;
	memcpy(reply, (__u8 *)&f + offsetof(struct nd, dst), NA_LEN);
	*length = NA_LEN;
	return verdict;
}
