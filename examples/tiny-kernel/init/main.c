// SPDX-License-Identifier: GPL-2.0-or-later
/* A kernel that does one thing: it starts, says so, and runs into the mistake in drivers/demo.c. */
#include "tiny.h"

__attribute__((noreturn)) void start_kernel(const uint8_t *boot_params)
{
	tsc_init();
	serial_init();
	printk("%s", kernel_banner);
	read_command_line(boot_params);
	printk("Command line: %s", command_line);
	traps_init();
	if (demo_init() == 0)
		printk("demo: all is well");
	for (;;)
		asm volatile("hlt");
}
