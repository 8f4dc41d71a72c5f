/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TINY_H
#define TINY_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BASE 0xffffffff80000000UL
#define noinline __attribute__((noinline, noclone))

/* What entry_64.S and the processor leave on the stack, the lowest address first. */
struct pt_regs {
	uint64_t r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
	uint64_t vector, error_code;
	uint64_t ip, cs, flags, sp, ss;
};

static inline void outb(uint8_t value, uint16_t port) { asm volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
static inline uint8_t inb(uint16_t port)
{
	uint8_t value;

	asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

extern const char kernel_banner[], kernel_release[], kernel_version[];
extern char command_line[];

void read_command_line(const uint8_t *boot_params);
const char *command_line_value(const char *name);
void serial_init(void);
void serial_write(const char *text);
void tsc_init(void);
uint64_t microseconds(void);
void wait_seconds(unsigned long seconds);
void traps_init(void);
__attribute__((format(printf, 1, 2))) void printk(const char *format, ...);
/* Writes function+0xoffset/0xsize, or the address alone where it is no function's. */
void print_symbol(const char *before, uint64_t address);
bool is_kernel_text(uint64_t address);
void show_regs(const struct pt_regs *regs);
void show_stack(uint64_t frame);
__attribute__((noreturn)) void panic(const char *why);
__attribute__((noreturn)) void machine_restart(void);
int demo_init(void);

#endif
