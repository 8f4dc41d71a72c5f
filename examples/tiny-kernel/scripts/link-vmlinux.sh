#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# link-vmlinux.sh LD CC OBJECT...: links vmlinux with its table of symbols, and writes System.map.
set -eu
ld=$1 cc=$2; shift 2

link() {  # MAP OUT OBJECT...
    map=$1 out=$2; shift 2
    scripts/kallsyms.sh "$map" > .tmp_kallsyms.S
    $cc -c -o .tmp_kallsyms.o .tmp_kallsyms.S
    $ld -m elf_x86_64 -z max-page-size=4096 -z noexecstack --build-id=sha1 \
        -T arch/x86/kernel/vmlinux.lds -o "$out" "$@" .tmp_kallsyms.o
}

functions() { awk '$2 == "T" || $2 == "t"' "$1"; }

rm -f vmlinux System.map
link '' .tmp_vmlinux "$@"
LC_ALL=C nm -n .tmp_vmlinux > .tmp_System.map
link .tmp_System.map .tmp_vmlinux "$@"
LC_ALL=C nm -n .tmp_vmlinux > System.map
if [ "$(functions .tmp_System.map)" != "$(functions System.map)" ]; then
    echo "link-vmlinux.sh: the second link moved functions" >&2
    exit 1
fi
mv .tmp_vmlinux vmlinux
