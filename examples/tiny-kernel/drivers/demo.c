// SPDX-License-Identifier: GPL-2.0-or-later
/* A driver with a mistake: it resets its device before the device has a ring for its commands. */
#include "ring.h"

#define DEMO_RESET 0x01

struct demo_device {
	const char *name;
	uint32_t resets;
	struct demo_ring *ring;
};

static struct demo_device demo_device = { .name = "demo0" };

/* A tail call: this function leaves no frame behind in a trace. */
static noinline int demo_reset(struct demo_device *device)
{
	device->resets++;
	return ring_add(device->ring, DEMO_RESET);
}

static noinline int demo_probe(struct demo_device *device)
{
	int problem = demo_reset(device);

	if (problem)
		printk("%s: does not answer", device->name);
	device->ring = ring_create();
	return problem;
}

int demo_init(void)
{
	printk("%s: probing", demo_device.name);
	int problem = demo_probe(&demo_device);

	printk("%s: %s", demo_device.name, problem ? "failed" : "ready");
	return problem;
}
