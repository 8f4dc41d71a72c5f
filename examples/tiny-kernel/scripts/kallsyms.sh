#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# kallsyms.sh SYSTEM_MAP: the table of a kernel's own functions, as assembly; without a map an empty one.
awk '
BEGIN { print ".section .kallsyms, \"a\"\n.globl kallsyms, kallsyms_end\nkallsyms:" }
$3 ~ /^[_a-zA-Z]/ && ($2 == "T" || $2 == "t") { print ".quad 0x" $1 ", name" NR; names[NR] = $3 }
END {
    print "kallsyms_end:"
    for (number in names) print "name" number ": .asciz \"" names[number] "\""
    print ".section .note.GNU-stack, \"\", @progbits"
}' "${1:-/dev/null}"
