/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RING_H
#define RING_H

#include "tiny.h"

/* Commands for a device, in the order in which it gets them. */
struct demo_ring {
	uint32_t commands[64];
	uint32_t entries;
	uint32_t head;
	uint32_t tail;
};

static inline uint32_t ring_space(const struct demo_ring *ring)
{
	return ring->entries - (ring->head - ring->tail);
}

struct demo_ring *ring_create(void);
int ring_add(struct demo_ring *ring, uint32_t command);

#endif
