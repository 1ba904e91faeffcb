/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A libFuzzer target for the decision of the data planes (speaker/native/responder.h) and the
 * tables beside it, built with ASan and UBSan by scripts/fuzz.ts. The first byte of an input says
 * what becomes of the rest:
 *
 *   0x07  sll_pkttype of the frame            0x40  its ICMPv6 checksum is made right
 *   0x08  a VLAN tag came with it             0x80  not a frame: changes of the table, byte by byte
 *   0x10  it is from a link that is not ours
 *   0x20  the lease is over
 *
 * Beyond crashes, it looks for answers that nobody may give, answers that are no answer to their
 * question, claims that nobody made or that are missed, frames that the guard must leave alone or
 * must not, and a table that forgets.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#define BUCKETS 16
#include "../../speaker/native/userspace.h"

#define MUST(what) \
	do { \
		if (!(what)) { \
			fprintf(stderr, "responder.c:%d: not so: %s\n", __LINE__, #what); \
			abort(); \
		} \
	} while (0)

#define OURS 2
#define MOST_VIPS 8
#define ADDRESSES 32
#define UNTOUCHED 0xa5

static const __u8 mac[6] = {2, 0x64, 0, 0, 0, 2};
static const __u8 own4[4] = {198, 51, 100, 7};
static const __u8 vip4[4] = {192, 0, 2, 240};
static const __u8 vip6[16] = {0x20, 1, 0x0d, 0xb8, [14] = 2, [15] = 0x40};
static struct shared shared;

static struct in6 key_of(const __u8 *ip, size_t length)
{
	struct in6 in = {{0, 0, NET32(0xffff), 0}};
	memcpy((__u8 *)&in + sizeof in - length, ip, length);
	return in;
}

/*
 * One address of each family on every link, the next one only on another link, the one after that
 * watched.
 */
static void fill(struct tables *t, bool lapsed)
{
	struct link link = {.bit = 3};
	struct vip everywhere = {.links = ~0ull, .flags = VIP_GUARD};
	struct vip elsewhere = {.slot = 1, .links = 1, .flags = VIP_GUARD};
	struct vip watched = {.slot = 2, .links = ~0ull, .flags = VIP_GUARD | VIP_WATCH};
	memcpy(&link.mac, mac, sizeof mac);
	memcpy(&link.ip4, own4, sizeof own4);
	MUST(put_link(t, OURS, &link) == 0);
	struct in6 ip[2] = {key_of(vip4, sizeof vip4), key_of(vip6, sizeof vip6)};
	for (int i = 0; i < 2; i++) {
		MUST(put_vip(t, &ip[i], &everywhere) == 0);
		((__u8 *)&ip[i])[15]++;
		MUST(put_vip(t, &ip[i], &elsewhere) == 0);
		((__u8 *)&ip[i])[15]++;
		MUST(put_vip(t, &ip[i], &watched) == 0);
	}
	shared.written = shared.read = 0;
	shared.slots[0] = shared.slots[1] = shared.slots[2] = (struct slot){0};
	shared.lease = lapsed ? 1 : ~0ull;
	t->shared = &shared;
}

/* RFC 4443 2.3, told by bytes: 0 if the checksum of this many bytes of ICMPv6 is right. */
static __u16 checksum(const __u8 *frame, size_t length)
{
	__u32 sum = length + 58;
	for (size_t i = 0; i < 32 + length; i++)
		sum += i % 2 ? frame[22 + i] : frame[22 + i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static void mend_checksum(__u8 *frame, size_t length)
{
	if (length < 58)
		return;
	size_t message = frame[18] << 8 | frame[19];
	if (message > length - 54)
		return;
	frame[56] = frame[57] = 0;
	__u16 sum = checksum(frame, message);
	frame[56] = sum >> 8;
	frame[57] = sum;
}

static void check_arp(const __u8 *asked, size_t length, const __u8 *reply, __u32 replied)
{
	MUST(replied == length && length >= ARP_LEN);
	MUST(!memcmp(reply, asked + 22, 6) && !memcmp(reply + 6, mac, 6));
	MUST(!memcmp(reply + 12, "\x08\x06\0\x01\x08\0\x06\x04\0\x02", 10));
	MUST(!memcmp(reply + 22, mac, 6) && !memcmp(reply + 28, vip4, 4));
	MUST(!memcmp(reply + 32, asked + 22, 10));
	MUST(!memcmp(asked + 38, vip4, 4) && memcmp(asked + 28, vip4, 4));
	MUST(!memcmp(reply + ARP_LEN, asked + ARP_LEN, length - ARP_LEN));
}

static void check_nd(const __u8 *asked, size_t length, const __u8 *reply, __u32 replied)
{
	static const __u8 nobody[16];
	bool probe = !memcmp(asked + 22, nobody, 16);
	MUST(replied == NA_LEN && length >= 78 && asked[21] == 255 && asked[54] == 135);
	MUST(!memcmp(asked + 62, vip6, 16) && !memcmp(reply + 62, vip6, 16));
	MUST(!memcmp(reply + 6, mac, 6) && !memcmp(reply + 22, vip6, 16));
	MUST(!memcmp(reply + 18, "\0\x20\x3a\xff", 4) && reply[54] == 136 && reply[55] == 0);
	MUST(reply[58] == (probe ? 0x20 : 0x60));
	MUST(!memcmp(reply + 78, "\x02\x01", 2) && !memcmp(reply + 80, mac, 6));
	MUST(checksum(reply, 32) == 0);
	if (probe)
		MUST(!memcmp(reply, "\x33\x33\0\0\0\x01", 6) && reply[38] == 0xff);
	else
		MUST(!memcmp(reply + 38, asked + 22, 16));
}

static bool is_arp_type(const __u8 *frame)
{
	return frame[12] == 8;
}

/* Whose address a sound frame says it has, and how; from the bytes alone. */
static struct in6 claimed_by(const __u8 *frame, enum form *form)
{
	static const __u8 nobody[16];
	bool arp = is_arp_type(frame), asks = arp ? frame[21] == 1 : frame[54] == 135;
	const __u8 *sender = frame + (arp ? 28 : 22), *target = frame + (arp ? 38 : 62);
	bool probes = asks && !memcmp(sender, nobody, arp ? 4 : 16);
	*form = probes ? FORM_probe : asks ? FORM_request : FORM_reply;
	if (!arp)
		return key_of(probes || !asks ? target : sender, 16);
	return key_of(probes ? target : sender, 4);
}

static void check_claim(__u8 how, const __u8 *frame, size_t length, enum verdict verdict)
{
	__u64 seen = shared.slots[0].seen + shared.slots[1].seen + shared.slots[2].seen;
	bool sound = verdict == VERDICT_reply || verdict >= VERDICT_gratuitous;
	MUST(shared.written == seen && seen <= 1 && shared.slots[1].seen == 0);
	if (seen)
		MUST(sound && !(how & 0x18));
	if (!sound || how & 0x10)
		return;
	enum form form;
	struct in6 ip = claimed_by(frame, &form);
	if (seen) {
		struct sighting *s = &shared.ring[0];
		MUST(s->link == OURS && s->form == form && !memcmp(&s->ip, &ip, sizeof ip));
		MUST(memcmp(&s->mac, mac, sizeof mac));
		MUST(!is_arp_type(frame) || !memcmp(&s->mac, frame + 22, sizeof mac));
		return;
	}
	/* Missed? Only if it is not one of ours here, or if our MAC may be what it named. */
	bool here = false;
	for (int n = 0; n <= 2; n += 2) {
		/* An IPv6 address that is a mapped IPv4 one is another address. */
		bool arp = is_arp_type(frame);
		struct in6 each = arp ? key_of(vip4, sizeof vip4) : key_of(vip6, sizeof vip6);
		((__u8 *)&each)[15] += n;
		here |= !memcmp(&ip, &each, sizeof ip);
	}
	MUST(!here || memmem(frame, length, mac, sizeof mac));
}

/* The same bytes as a frame that leaves. */
static void check_guard(__u8 how, struct frame *frame)
{
	const __u8 *bytes = frame->data;
	struct arp f;
	__u32 sender = 0;
	if (frame->length < 14 || memcmp(bytes + 12, "\x08\x06", 2))
		return;
	enum care care = guard_arp(frame, &f, &sender);
	bool sound = frame->length >= 42 && !memcmp(bytes + 14, "\0\1\x08\0\6\4\0", 7) &&
		     (bytes[21] == 1 || bytes[21] == 2) && !is_tagged(frame) && !(how & 0x10);
	bool ours = sound && !memcmp(bytes + 28, vip4, 3);
	bool held = ours && bytes[31] == vip4[3] && !(how & 0x20);
	bool guarded = ours && !held && bytes[31] >= vip4[3] && bytes[31] <= vip4[3] + 2;
	bool asks = guarded && bytes[21] == 1 && memcmp(bytes + 28, bytes + 38, 4);
	MUST(care == (asks ? CARE_rewrite : guarded ? CARE_suppress : CARE_leave));
	MUST(care != CARE_rewrite || !memcmp(&sender, own4, sizeof own4));
}

static void ask(__u8 how, const __u8 *bytes, size_t length)
{
	struct tables tables = {0};
	struct claim claim = {0};
	__u32 replied = 0;
	/* Rooms of exactly the size, so that one byte beyond is found. */
	size_t room = length > NA_LEN ? length : NA_LEN;
	__u8 *frame = malloc(length ? length : 1), *reply = malloc(room);
	memcpy(frame, bytes, length);
	memset(reply, UNTOUCHED, room);
	if (how & 0x40)
		mend_checksum(frame, length);
	fill(&tables, how & 0x20);
	struct frame asked = {.tables = &tables, .data = frame, .length = length, .kind = how & 7,
			      .tagged = how & 8, .link = how & 0x10 ? OURS + 1 : OURS};
	enum verdict verdict = respond(&asked, reply, &replied, &claim);
	MUST(verdict < N_VERDICTS && verdict != VERDICT_failed && verdict != VERDICT_stale);
	MUST(shared.slots[0].lapsed == (verdict == VERDICT_lapsed));
	MUST(shared.slots[0].answered == 0 && shared.slots[1].lapsed == 0);
	bool kept = verdict >= VERDICT_restricted && verdict <= VERDICT_lapsed;
	MUST(shared.slots[0].asked == (verdict == VERDICT_lapsed || verdict == VERDICT_answered));
	MUST(shared.slots[1].asked == (verdict == VERDICT_restricted));
	MUST(shared.slots[2].asked == (verdict == VERDICT_watched));
	MUST(!!claim.silenced == (kept && is_arp_type(frame)));
	check_claim(how, frame, length, verdict);
	check_guard(how, &asked);
	if (verdict == VERDICT_answered) {
		MUST(!(how & 0x38) && (how & 7) != OTHERHOST);
		MUST(claim.slot == &shared.slots[0] && claim.now < shared.lease);
		(reply[12] == 8 ? check_arp : check_nd)(frame, length, reply, replied);
	} else {
		MUST(replied == 0);
		for (size_t i = 0; i < room; i++)
			MUST(reply[i] == UNTOUCHED);
	}
	free(frame);
	free(reply);
}

/* Each byte: its highest bit says put or remove, the lowest which of ADDRESSES. */
static void change(const __u8 *bytes, size_t length)
{
	struct tables tables = {0};
	__u32 slots[ADDRESSES] = {0}; /* what the table must hold: the number of the change, or none */
	__u32 held = 0;
	struct frame frame = {.tables = &tables};
	for (size_t n = 0; n < length; n++) {
		__u8 which = bytes[n] % ADDRESSES;
		struct in6 ip = {{which * 0x01000193u, 0, 0, which}};
		struct vip vip = {.slot = n + 1};
		bool puts = !(bytes[n] & 128);
		if (puts && !slots[which] && held == MOST_VIPS)
			continue;
		if (puts)
			MUST(put_vip(&tables, &ip, &vip) == 0);
		else
			MUST(remove_vip(&tables, &ip) == (slots[which] ? 0 : -ENOENT));
		held += puts ? !slots[which] : -!!slots[which];
		slots[which] = puts ? n + 1 : 0;
		MUST(tables.vips == held);
		for (__u32 i = 0; i < ADDRESSES; i++) {
			struct in6 each = {{i * 0x01000193u, 0, 0, i}};
			struct vip *found = find_vip(&frame, &each);
			MUST(found ? found->slot == slots[i] : slots[i] == 0);
		}
	}
}

int LLVMFuzzerTestOneInput(const __u8 *input, size_t length)
{
	if (length == 0)
		return 0;
	if (input[0] & 0x80)
		change(input + 1, length - 1);
	else
		ask(input[0], input + 1, length - 1);
	return 0;
}
