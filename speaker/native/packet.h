/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packet plane, as addon.c shows it to TypeScript. Functions return a negative errno when they
 * fail. All of them may be called while the plane answers.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct packet;

#define VIP_ENTRY 32 /* bytes: struct in6, then struct vip */

/* Answers from now on, in a thread of its own; but the filters let nothing through yet. */
int packet_open(struct packet **opened);
/* A descriptor of the memory that holds lease, verdicts and slots (struct shared), and its size. */
int packet_memory(const struct packet *p, size_t *length);
/* Classic BPF for the socket of ARP (family 4) or of Neighbor Discovery (6). */
int packet_filter(struct packet *p, int family, const void *program, size_t length);
/* A key of 16 bytes is an address, one of 4 a link's index; no value removes it. */
int packet_set(struct packet *p, const void *key, size_t key_length, const void *value,
	       size_t length);
/* All addresses, as many as fit; returns how many there are. */
int packet_vips(struct packet *p, void *entries, size_t room);
int packet_send(struct packet *p, uint32_t link, const void *frame, size_t length);
void packet_close(struct packet *p);
