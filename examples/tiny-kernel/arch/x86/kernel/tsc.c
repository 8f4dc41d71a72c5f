// SPDX-License-Identifier: GPL-2.0-or-later
#include "tiny.h"

#define PIT_HZ 1193182UL
#define CALIBRATION_MS 10

static uint64_t started, per_ms;

static uint64_t rdtsc(void)
{
	uint32_t low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/* Counts the processor's ticks while channel 2 of the timer chip runs down. */
void tsc_init(void)
{
	uint16_t count = PIT_HZ * CALIBRATION_MS / 1000;

	started = rdtsc();
	outb((inb(0x61) & ~2) | 1, 0x61);
	outb(0xb0, 0x43);
	outb(count & 0xff, 0x42);
	outb(count >> 8, 0x42);
	uint64_t before = rdtsc();
	while (!(inb(0x61) & 0x20))
		;
	per_ms = (rdtsc() - before) / CALIBRATION_MS;
}

uint64_t microseconds(void)
{
	return (rdtsc() - started) * 1000 / per_ms;
}

void wait_seconds(unsigned long seconds)
{
	uint64_t end = microseconds() + seconds * 1000000;

	while (microseconds() < end)
		asm volatile("pause");
}
