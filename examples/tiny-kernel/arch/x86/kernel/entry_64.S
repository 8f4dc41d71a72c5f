/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the processor goes when something is wrong: one entry for each exception, one way from there. */

	.text
	.macro	exception vector, name, has_error_code=0
	.balign	16
	.globl	asm_exc_\name
	.type	asm_exc_\name, @function
asm_exc_\name:
	.if	!\has_error_code
	pushq	$0
	.endif
	pushq	$\vector
	jmp	error_entry
	.size	asm_exc_\name, . - asm_exc_\name
	.pushsection .rodata.exceptions, "a"
	.quad	asm_exc_\name
	.popsection
	.endm

	.pushsection .rodata.exceptions, "a"
	.balign	8
	.globl	exceptions
exceptions:
	.popsection

	exception 0, divide_error
	exception 1, debug
	exception 2, nmi
	exception 3, int3
	exception 4, overflow
	exception 5, bounds
	exception 6, invalid_op
	exception 7, device_not_available
	exception 8, double_fault, 1
	exception 9, coproc_segment_overrun
	exception 10, invalid_tss, 1
	exception 11, segment_not_present, 1
	exception 12, stack_segment, 1
	exception 13, general_protection, 1
	exception 14, page_fault, 1
	exception 15, spurious
	exception 16, coprocessor_error
	exception 17, alignment_check, 1
	exception 18, machine_check
	exception 19, simd_coprocessor_error
	exception 20, virtualization_exception
	exception 21, control_protection, 1

	/* All registers in the order of struct pt_regs, which lies on the stack then. */
	.type	error_entry, @function
error_entry:
	.irp	register, rdi, rsi, rdx, rcx, rax, r8, r9, r10, r11, rbx, rbp, r12, r13, r14, r15
	pushq	%\register
	.endr
	movq	%rsp, %rdi
	xorl	%ebp, %ebp
	andq	$-16, %rsp
	call	do_exception
	ud2
	.size	error_entry, . - error_entry
	.section .note.GNU-stack, "", @progbits
