#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# install.sh HOOK RELEASE IMAGE SYSTEM_MAP FOLDER: hands a kernel to the first of the programs that Linux tries.
#
# Those are ~/bin/HOOK, /sbin/HOOK, and what the tree has itself: a copy into INSTALL_PATH. This kernel is a toy:
# where INSTALL_PATH is not set, Linux would take /boot, and nothing but ~/bin/HOOK is asked here.
set -eu
hook=$1; shift
if [ ! -f "$2" ]; then
    echo "$2 is not there; build it first: make" >&2
    exit 1
fi
for program in "${HOME:-}/bin/$hook" "/sbin/$hook"; do
    if [ -x "$program" ] && { [ -n "$4" ] || [ "$program" = "${HOME:-}/bin/$hook" ]; }; then
        printf '  INSTALL %s\n' "${4:-$program}"
        exec "$program" "$1" "$2" "$3" "${4:-/boot}"
    fi
done
if [ -z "$4" ]; then
    echo "no ~/bin/$hook is there, and a toy does not go to /boot: make install INSTALL_PATH=FOLDER" >&2
    exit 1
fi
printf '  INSTALL %s\n' "$4"
mkdir -p "$4"
cat "$2" > "$4/vmlinuz"
cp "$3" "$4/System.map"
