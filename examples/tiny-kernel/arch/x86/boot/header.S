/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a boot loader finds at the front of a bzImage, and the code that it starts in real mode.
 *
 * Source: Linux's Documentation/arch/x86/boot.rst, the real-mode kernel header, protocol 2.12. A loader puts
 * this anywhere below 640 kB, what is behind it at 1 MB, and jumps 0x200 bytes into it. One that speaks the
 * 32-bit protocol (GRUB's `linux`) goes to 1 MB by itself.
 */
#include "generated/utsrelease.h"

	.code16
	.text
	.org	0x1f1
setup_sects:	.byte	SECTORS
root_flags:	.word	1
syssize:	.long	image_paragraphs	/* in 16 bytes; this and the next are bzimage.sh's */
ram_size:	.word	0
vid_mode:	.word	0xffff
root_dev:	.word	0
boot_flag:	.word	0xaa55

	.byte	0xeb, start_of_setup - 1f	/* a short jump */
1:	.ascii	"HdrS"
	.word	0x020c				/* the protocol's version */
	.long	0				/* realmode_swtch */
	.word	0x1000				/* start_sys_seg */
	.word	kernel_version - 0x200
	.byte	0				/* type_of_loader: it says so here */
	.byte	1				/* loadflags: LOADED_HIGH */
	.word	0x8000				/* setup_move_size */
	.long	0x100000			/* code32_start */
	.long	0, 0				/* ramdisk_image, ramdisk_size */
	.long	0				/* bootsect_kludge */
	.word	end_of_setup + 1024 - 0x200	/* heap_end_ptr */
	.byte	0, 0				/* ext_loader_ver, ext_loader_type */
cmd_line_ptr:	.long	0
	.long	0x7fffffff			/* initrd_addr_max */
	.long	0x100000			/* kernel_alignment */
	.byte	0, 0				/* relocatable_kernel, min_alignment */
	.word	0				/* xloadflags */
	.long	2047				/* cmdline_size */
	.long	0				/* hardware_subarch */
	.quad	0				/* hardware_subarch_data */
	.long	0, 0				/* payload_offset, payload_length */
	.quad	0				/* setup_data */
	.quad	0x100000			/* pref_address */
	.long	image_memory			/* init_size */
	.long	0				/* handover_offset */

start_of_setup:
	cli
	cld
	pushw	%ds				/* code and data in one segment from here on */
	pushw	$in_one_segment
	lretw
in_one_segment:
	inb	$0x92, %al			/* the line A20, where the loader left it off */
	orb	$2, %al
	andb	$0xfe, %al
	outb	%al, $0x92
	xorl	%esi, %esi
	movw	%ds, %si
	shll	$4, %esi			/* where this header lies: the kernel wants to know */
	addl	%esi, gdt_address
	lgdtl	gdt_size
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	ljmpl	$0x10, $0x100000

	.balign	8
gdt:	.quad	0, 0
	.quad	0x00cf9b000000ffff		/* 0x10: all of memory as 32-bit code */
	.quad	0x00cf93000000ffff		/* 0x18: as data */
end_of_gdt:
gdt_size:	.word	end_of_gdt - gdt - 1
gdt_address:	.long	gdt

kernel_version:	.asciz	UTS_RELEASE " (keepsane-tiny) " UTS_VERSION
end_of_setup:
	.set	SECTORS, 2
	.org	(SECTORS + 1) * 512
