#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Samples /proc and /sys of a machine where nothing can be installed; `keepsane memory` reads the result.
#
#   sh capture.sh OUT.tar.gz [SECONDS]      30 seconds unless said otherwise; BusyBox is enough, root is not needed
#
# OUT holds t0/, t1/, ...: the machine's own files as they were at each moment. Every second only the cheap ones
# are read, zoneinfo and buddyinfo every 10 s, pagetypeinfo, slabinfo and memory.stat first and last.
set -u
umask 077 # it holds what root alone could read

usage() {
    sed -n '/^#   sh/s/^# *//p' "$0" >&2
    exit 2
}

# give_up WORDS: half a capture looks like a whole one, so there is none
give_up() {
    echo "$1; nothing was captured" >&2
    exit 2
}

# full: a file was read and could not be written
full() { give_up "cannot write into $work (is ${TMPDIR:-/tmp} full? TMPDIR=FOLDER names another)"; }

# folder NAME: makes it, at the second try where a signal ended the first
folder() { [ -d "$1" ] || mkdir -p "$1" || mkdir -p "$1" || full; }

# note REASON FILE: FILE was due in this sample and could not be read
note() { printf '%s\t%s\n' "$1" "${2#/}" >> "$sample/missing" || full; }

# keep FILE: copies it into the sample, under its own path
keep() {
    [ -f "$1" ] || return 1
    [ -r "$1" ] || { note 'not permitted' "$1"; return 0; }
    folder "$sample${1%/*}"
    cat "$1" > "$sample$1" 2> /dev/null && return
    if cat "$1" > /dev/null 2>&1; then
        cat "$1" > "$sample$1" || full # as above
    else
        rm -f "$sample$1"
        note unreadable "$1"
    fi
}

# due FILE...: keeps files that most kernels have, and notes those that are absent
due() {
    for file; do keep "$file" || note absent "$file"; done
}

# maybe FILE...: keeps those that are there
maybe() {
    for file; do keep "$file"; done
}

cheap() {
    due /proc/uptime /proc/vmstat /proc/pressure/memory /proc/pressure/io /proc/pressure/cpu
    maybe /sys/devices/system/node/node[0-9]*/vmstat
    for group in $groups; do
        maybe "$group/memory.current" "$group/memory.events" "$group/memory.pressure"
    done
}

slow() {
    due /proc/meminfo /proc/zoneinfo /proc/buddyinfo
    maybe /sys/devices/system/node/node[0-9]*/meminfo /sys/devices/system/node/node[0-9]*/numastat
}

# ends: what is read in the first and in the last sample only
ends() {
    due /proc/sys/kernel/random/boot_id /proc/sys/kernel/osrelease /proc/swaps /proc/slabinfo /proc/pagetypeinfo \
        /sys/devices/system/node/online /sys/devices/system/node/has_memory /sys/kernel/mm/lru_gen/enabled
    maybe /proc/sys/kernel/numa_balancing
    maybe /sys/devices/system/node/node[0-9]*/distance /sys/devices/system/node/node[0-9]*/cpulist
    for file in /proc/sys/vm/*; do
        case $file in
            */stat_refresh | */compact_memory | */drop_caches) ;; # reading the first makes every CPU work
            *) maybe "$file" ;;
        esac
    done
    for folder in /sys/kernel/mm/transparent_hugepage /sys/kernel/mm/redhat_transparent_hugepage; do
        maybe "$folder/enabled" "$folder/defrag" "$folder/khugepaged/defrag" "$folder/khugepaged/pages_to_scan"
    done
    for folder in /sys/kernel/mm/hugepages/hugepages-*kB; do
        maybe "$folder/nr_hugepages" "$folder/free_hugepages" "$folder/resv_hugepages" "$folder/surplus_hugepages"
    done
    for group in $groups; do
        maybe "$group/memory.max" "$group/memory.high" "$group/memory.low" "$group/memory.swap.current" \
            "$group/cpuset.mems.effective" "$group/memory.stat"
    done
}

# klog: the kernel log, for which there is no file
klog() {
    dmesg > "$sample/dmesg" 2> /dev/null && return
    if dmesg > /dev/null 2>&1; then
        dmesg > "$sample/dmesg" || full
        return
    fi
    rm -f "$sample/dmesg"
    note 'not permitted' dmesg
}

# once: what does not change, and who set what
once() {
    due /proc/version /proc/cmdline /proc/1/cgroup /sys/devices/system/cpu/online
    maybe /proc/self/cgroup /.dockerenv /run/.containerenv /run/systemd/container
    maybe /etc/sysctl.conf /etc/sysctl.d/*.conf /run/sysctl.d/*.conf /usr/local/lib/sysctl.d/*.conf \
        /usr/lib/sysctl.d/*.conf
    [ -h /lib ] || maybe /lib/sysctl.d/*.conf
    maybe /etc/tuned/active_profile /etc/tuned/*/tuned.conf /etc/tuned/profiles/*/tuned.conf \
        /usr/lib/tuned/*/tuned.conf /usr/lib/tuned/profiles/*/tuned.conf
    # Whoever passes the capture on need not tell what is mounted where.
    grep ' fuse\.lxcfs ' /proc/mounts > "$sample/proc/mounts" 2> /dev/null
    [ $? -lt 2 ] || [ ! -r /proc/mounts ] || full
}

# take NUMBER: one sample
take() {
    sample=$work/t$1
    folder "$sample"
    cheap
    now=$(date +%s) || now=$(date +%s)
    echo "$now" > "$sample/time" || full
    at_end=$last
    [ "$1" -gt 0 ] || at_end=yes
    if [ "$at_end" = yes ] || [ $(($1 % 10)) -eq 0 ]; then slow; fi
    if [ "$at_end" = yes ]; then ends; klog; fi
    if [ "$1" -eq 0 ]; then once; fi
}

# find_groups: the root of version 2 control groups and its children, at most 64
find_groups() {
    groups=
    for top in /sys/fs/cgroup/unified /sys/fs/cgroup; do
        [ -f "$top/cgroup.controllers" ] || continue
        groups=$top
        count=0
        for folder in "$top"/*/; do
            case $folder in *[!A-Za-z0-9/._:@-]*) continue ;; esac # no name that a word list would part
            if [ "$count" -ge 64 ] || [ ! -d "$folder" ]; then continue; fi
            count=$((count + 1))
            groups="$groups ${folder%/}"
        done
        break
    done
}

if [ $# -lt 1 ] || [ $# -gt 2 ]; then usage; fi
out=$1
seconds=${2:-30}
case $out in -*) usage ;; esac
case $seconds in '' | *[!0-9]*) usage ;; esac
if [ -e "$out" ] || [ -h "$out" ]; then
    echo "$out exists; name another file" >&2
    exit 2
fi

# is_ours: the name still leads to the file that was opened
# shellcheck disable=SC3013
is_ours() { [ "$out" -ef /proc/self/fd/3 ]; }

# finish: nothing private stays behind, and no file that only looks like a capture
finish() {
    [ -z "$work" ] || rm -rf "$work"
    [ "$whole" = yes ] || ! is_ours || rm -f "$out"
}
work=
whole=no
last=no
trap finish EXIT
trap 'last=yes' HUP INT QUIT TERM # a second and last full sample is still taken
trap '' PIPE XFSZ                 # then writing fails, and is seen to

# Opened once, never through a link; whatever the name leads to later, the file is this one.
set -C
command exec 3> "$out" || exit 2
set +C
work=$(mktemp -d "${TMPDIR:-/tmp}/keepsane-memory.XXXXXX") || exit 2

find_groups
take 0
number=0
while [ "$last" = no ] || [ "$number" -eq 0 ]; do
    [ "$number" -ge "$seconds" ] || sleep 1
    number=$((number + 1))
    [ "$number" -lt "$seconds" ] || last=yes
    take "$number"
done

trap '' HUP INT QUIT TERM # what packs would end by them too
CDPATH=
packed=$(
    cd "$work" || exit
    { { tar -cf - t* || echo tar >&4; } | gzip >&3 || echo gzip >&4; } 4>&1 && echo 'done'
)
[ "$packed" = 'done' ] || give_up "cannot write $out (is the disk full?)"
is_ours || give_up "$out was replaced by another file meanwhile"
whole=yes
echo "$out: $((number + 1)) samples" >&2
