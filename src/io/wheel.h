/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IO_WHEEL_H
#define POMBO_IO_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Deadlines of very many streams behind one timer. Setting and clearing cost a few stores; a deadline comes at most one tick late,
 * never early. One that is further away than the wheel reaches is looked at again each round. No clock in here. */
enum { WHEEL_TICK_MS = 128, WHEEL_SLOTS = 512 };

struct wheel_entry {
	struct wheel_entry *next;
	struct wheel_entry **at; /* NULL: not set */
	uint64_t due_ms;
};

struct wheel {
	struct wheel_entry *slots[WHEEL_SLOTS];
	uint64_t tick; /* the first one that is not over */
	size_t count;
};

/* An entry starts zeroed. Setting it again moves it. */
void wheel_set(struct wheel *w, struct wheel_entry *e, uint64_t due_ms, uint64_t now_ms);
void wheel_clear(struct wheel *w, struct wheel_entry *e);
/* The next entry that is due (cleared), or NULL. */
struct wheel_entry *wheel_pop(struct wheel *w, uint64_t now_ms);
/* When wheel_pop() should be called next; UINT64_MAX when nothing is set. */
uint64_t wheel_next_ms(const struct wheel *w);

#endif
