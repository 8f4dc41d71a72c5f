/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From 32-bit mode without paging at 1 MB to 64-bit mode at the top of the address space.
 *
 * RSI has the address of the boot parameters. The first page is not mapped when C begins: NULL faults.
 */
#define BASE	0xffffffff80000000
#define PA(symbol) ((symbol) - BASE)

	.section .head.text, "ax"
	.code32
	.globl	startup_32
	.type	startup_32, @function
startup_32:
	cli
	cld
	movl	$0x18, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	$PA(__bss_start), %edi
	movl	$PA(__bss_stop), %ecx
	subl	%edi, %ecx
	shrl	$2, %ecx
	xorl	%eax, %eax
	rep stosl
	lgdt	PA(gdt_low)
	movl	$0x20, %eax			/* CR4.PAE */
	movl	%eax, %cr4
	movl	$PA(init_top_pgt), %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx		/* EFER.LME */
	rdmsr
	btsl	$8, %eax
	wrmsr
	movl	$0x80010033, %eax		/* PG, WP, NE, ET, MP, PE */
	movl	%eax, %cr0
	ljmpl	$0x10, $PA(startup_64)
	.size	startup_32, . - startup_32

	.code64
	.globl	startup_64
	.type	startup_64, @function
startup_64:
	movq	$secondary_startup_64, %rax	/* the same memory, at its high address */
	jmp	*%rax
	.size	startup_64, . - startup_64

	.globl	secondary_startup_64
	.type	secondary_startup_64, @function
secondary_startup_64:
	lgdt	gdt_high
	xorl	%eax, %eax
	movq	%rax, init_top_pgt		/* nothing is at NULL any more */
	movq	%cr3, %rax
	movq	%rax, %cr3
	movl	$0x18, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	xorl	%eax, %eax
	movl	%eax, %fs
	movl	%eax, %gs
	movq	$init_stack_end, %rsp
	xorl	%ebp, %ebp			/* a trace ends here */
	movl	%esi, %edi
	call	start_kernel
	ud2
	.size	secondary_startup_64, . - secondary_startup_64

	.section .data
	.balign	8
gdt:	.quad	0, 0
	.quad	0x00af9b000000ffff		/* 0x10: 64-bit code */
	.quad	0x00cf93000000ffff		/* 0x18: data */
gdt_low:
	.word	4 * 8 - 1
	.long	PA(gdt)
gdt_high:
	.word	4 * 8 - 1
	.quad	gdt

	/* The first GB of memory twice: where it is, for as long as it takes to leave, and at BASE. */
	.section .data..page_aligned, "aw"
	.balign	4096
	.globl	init_top_pgt
init_top_pgt:
	.quad	PA(level3_ident_pgt) + 3
	.fill	510, 8, 0
	.quad	PA(level3_kernel_pgt) + 3
level3_ident_pgt:
	.quad	PA(level2_kernel_pgt) + 3
	.fill	511, 8, 0
level3_kernel_pgt:
	.fill	510, 8, 0
	.quad	PA(level2_kernel_pgt) + 3
	.quad	0
level2_kernel_pgt:
	.set	page, 0
	.rept	512
	.quad	(page << 21) + 0x83		/* 2 MB each: large, writable, present */
	.set	page, page + 1
	.endr

	.bss
	.balign	4096
	.globl	init_stack, init_stack_end
init_stack:
	.skip	16384
init_stack_end:
	.section .note.GNU-stack, "", @progbits
