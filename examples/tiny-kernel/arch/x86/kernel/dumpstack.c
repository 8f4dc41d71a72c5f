// SPDX-License-Identifier: GPL-2.0-or-later
/* Shows registers and the way here as Linux does, so that what reads its logs can read ours. */
#include "tiny.h"

#define CODE_BEFORE 42
#define CODE_BYTES 64

extern const char init_stack[], init_stack_end[];

static void show_code(uint64_t ip)
{
	char text[4 * CODE_BYTES];
	char *out = text;

	if (!is_kernel_text(ip - CODE_BEFORE) || !is_kernel_text(ip + CODE_BYTES - CODE_BEFORE)) {
		printk("Code: Unable to access opcode bytes at 0x%lx.", ip - CODE_BEFORE);
		return;
	}
	for (uint64_t at = ip - CODE_BEFORE; at < ip - CODE_BEFORE + CODE_BYTES; at++) {
		uint8_t byte = *(const uint8_t *)at;

		if (at == ip)
			*out++ = '<';
		*out++ = "0123456789abcdef"[byte >> 4];
		*out++ = "0123456789abcdef"[byte & 15];
		if (at == ip)
			*out++ = '>';
		*out++ = ' ';
	}
	out[-1] = 0;
	printk("Code: %s", text);
}

static uint64_t rdmsr(uint32_t number)
{
	uint32_t low, high;

	asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number));
	return (uint64_t)high << 32 | low;
}

#define READ(register) ({ uint64_t value; asm volatile("mov %%" register ", %0" : "=r"(value)); value; })

void show_regs(const struct pt_regs *regs)
{
	print_symbol("RIP: 0010:", regs->ip);
	show_code(regs->ip);
	printk("RSP: %04lx:%016lx EFLAGS: %08lx", regs->ss, regs->sp, regs->flags);
	printk("RAX: %016lx RBX: %016lx RCX: %016lx", regs->ax, regs->bx, regs->cx);
	printk("RDX: %016lx RSI: %016lx RDI: %016lx", regs->dx, regs->si, regs->di);
	printk("RBP: %016lx R08: %016lx R09: %016lx", regs->bp, regs->r8, regs->r9);
	printk("R10: %016lx R11: %016lx R12: %016lx", regs->r10, regs->r11, regs->r12);
	printk("R13: %016lx R14: %016lx R15: %016lx", regs->r13, regs->r14, regs->r15);
	printk("FS:  %016lx(%04lx) GS:%016lx(%04lx) knlGS:%016lx", rdmsr(0xc0000100), READ("fs"), rdmsr(0xc0000101),
	       READ("gs"), rdmsr(0xc0000102));
	printk("CS:  %04lx DS: %04lx ES: %04lx CR0: %016lx", regs->cs, READ("ds"), READ("es"), READ("cr0"));
	printk("CR2: %016lx CR3: %016lx CR4: %016lx", READ("cr2"), READ("cr3"), READ("cr4"));
}

/* Follows the frame pointers: each frame has the address of the one before, and the way back behind it. */
void show_stack(uint64_t frame)
{
	printk("Call Trace:");
	printk(" <TASK>");
	while (frame >= (uint64_t)init_stack && frame <= (uint64_t)init_stack_end - 16) {
		const uint64_t *words = (const uint64_t *)frame;

		print_symbol(" ", words[1]);
		if (words[0] <= frame)
			break;
		frame = words[0];
	}
	printk(" </TASK>");
}
