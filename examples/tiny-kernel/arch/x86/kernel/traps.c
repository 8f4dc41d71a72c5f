// SPDX-License-Identifier: GPL-2.0-or-later
/* An exception of the kernel's own code is a mistake of it: it is shown, in Linux's words, and all ends. */
#include "tiny.h"

#define EXCEPTIONS 22
#define PAGE_FAULT 14

struct gate {
	uint16_t offset_low, segment, flags, offset_middle;
	uint32_t offset_high, zero;
};

extern const uint64_t exceptions[EXCEPTIONS];
extern const uint8_t __start_notes[];
extern const uint64_t init_top_pgt[512];
static struct gate idt[EXCEPTIONS];

void traps_init(void)
{
	struct { uint16_t size; const void *address; } __attribute__((packed)) at = { sizeof(idt) - 1, idt };

	for (int i = 0; i < EXCEPTIONS; i++) {
		uint64_t entry = exceptions[i];

		idt[i] = (struct gate){ entry, 0x10, 0x8e00, entry >> 16, entry >> 32, 0 };
	}
	asm volatile("lidt %0" : : "m"(at));
}

/* The linker wrote it: 20 bytes behind a head of 16, in an ELF note. */
static void show_kernel(void)
{
	char text[41];

	for (int i = 0; i < 40; i++) {
		uint8_t byte = __start_notes[16 + i / 2];

		text[i] = "0123456789abcdef"[i % 2 ? byte & 15 : byte >> 4];
	}
	text[40] = 0;
	printk("CPU: 0 PID: 0 Comm: tiny Not tainted %s %s %s", kernel_release, kernel_version, text);
}

static uint64_t read_cr2(void)
{
	uint64_t address;

	asm volatile("mov %%cr2, %0" : "=r"(address));
	return address;
}

static void show_page_fault(uint64_t address, uint64_t code)
{
	const char *access = code & 16 ? "instruction fetch" : code & 2 ? "write access" : "read access";

	if (address < 4096)
		printk("BUG: kernel NULL pointer dereference, address: %016lx", address);
	else
		printk("BUG: unable to handle page fault for address: %016lx", address);
	printk("#PF: supervisor %s in kernel mode", access);
	printk("#PF: error_code(0x%04lx) - %s", code, code & 1 ? "permissions violation" : "not-present page");
	printk("PGD %lx", init_top_pgt[address >> 39 & 511]);
}

/* oops=panic, as Linux has it; without it Linux kills the task, and this one is the only one. */
static noinline bool panics_on_oops(void)
{
	const char *value = command_line_value("oops");

	return value && value[0] == 'p';
}

__attribute__((noreturn)) void do_exception(const struct pt_regs *regs)
{
	static bool died;
	uint64_t address = read_cr2();

	if (died)
		panic("Fatal exception in an exception");
	died = true;
	if (regs->vector == PAGE_FAULT) {
		show_page_fault(address, regs->error_code);
		printk("Oops: %04lx [#1]", regs->error_code);
	} else {
		printk("trap %lu: %04lx [#1]", regs->vector, regs->error_code);
	}
	show_kernel();
	show_regs(regs);
	show_stack(regs->bp);
	printk("CR2: %016lx", address);
	printk("---[ end trace 0000000000000000 ]---");
	panic(panics_on_oops() ? "Fatal exception" : "Attempted to kill the idle task!");
}
