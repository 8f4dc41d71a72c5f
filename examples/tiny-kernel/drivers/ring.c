// SPDX-License-Identifier: GPL-2.0-or-later
#include "ring.h"

static struct demo_ring the_ring;

struct demo_ring *ring_create(void)
{
	the_ring.entries = sizeof(the_ring.commands) / sizeof(*the_ring.commands);
	return &the_ring;
}

noinline int ring_add(struct demo_ring *ring, uint32_t command)
{
	if (ring_space(ring) == 0) {
		printk("ring: no room for command %lu", (uint64_t)command);
		return -1;
	}
	ring->commands[ring->head++ % ring->entries] = command;
	return 0;
}
