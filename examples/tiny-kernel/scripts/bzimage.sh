#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# bzimage.sh LD SETUP VMLINUX OUT: the setup code that a boot loader starts, and behind it the kernel.
set -eu
ld=$1 setup=$2 vmlinux=$3 out=$4
objcopy -O binary "$vmlinux" .tmp_kernel.bin
paragraphs=$((($(wc -c < .tmp_kernel.bin) + 15) / 16))
truncate -s $((paragraphs * 16)) .tmp_kernel.bin  # the header counts in 16 bytes
memory=$(nm "$vmlinux" | awk '$3 == "image_memory" { print "0x" $1 }')
$ld -m elf_x86_64 -Ttext 0 -e 0 --oformat binary --defsym "image_paragraphs=$paragraphs" --defsym "image_memory=$memory" \
    -o "$setup.bin" "$setup.o"
cat "$setup.bin" .tmp_kernel.bin > .tmp_bzImage
mv .tmp_bzImage "$out"
