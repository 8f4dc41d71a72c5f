// SPDX-License-Identifier: GPL-2.0-or-later
#include "tiny.h"

struct symbol {
	uint64_t address;
	const char *name;
};

/* scripts/kallsyms.sh writes them, sorted by address. */
extern const struct symbol kallsyms[], kallsyms_end[];
extern const char _stext[], _etext[];

bool is_kernel_text(uint64_t address)
{
	return address >= (uint64_t)_stext && address < (uint64_t)_etext;
}

void print_symbol(const char *before, uint64_t address)
{
	const struct symbol *found = NULL, *next = kallsyms;

	while (next < kallsyms_end && next->address <= address)
		found = next++;
	if (!found || next == kallsyms_end || !is_kernel_text(address)) {
		printk("%s0x%lx", before, address);
		return;
	}
	printk("%s%s+0x%lx/0x%lx", before, found->name, address - found->address, next->address - found->address);
}
