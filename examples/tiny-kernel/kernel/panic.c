// SPDX-License-Identifier: GPL-2.0-or-later
#include "tiny.h"

/* Says why, waits for as long as panic=N wants, and starts the machine anew; without it, it stays. */
void panic(const char *why)
{
	const char *value = command_line_value("panic");
	uint64_t seconds = 0;

	while (value && *value >= '0' && *value <= '9')
		seconds = 10 * seconds + *value++ - '0';
	printk("Kernel panic - not syncing: %s", why);
	printk("Kernel Offset: disabled");
	if (seconds) {
		printk("Rebooting in %lu seconds..", seconds);
		wait_seconds(seconds);
		machine_restart();
	}
	printk("---[ end Kernel panic - not syncing: %s ]---", why);
	for (;;)
		asm volatile("cli; hlt");
}
