# SPDX-License-Identifier: GPL-2.0-or-later
"""The file of a new machine: what nearly every machine needs, and the rest behind `#`."""

from __future__ import annotations

TEMPLATE = """\
# A test machine. What stands behind # is an offer: take the # away to have it.

# Its network cards. keepsane netboot serve names the card of a machine that asks and is nobody's.
mac = []   # ["52:54:00:12:34:56"]

# With these words a machine that crashes or hangs comes back by itself, ten seconds after it said why.
command_line = "panic=10 oops=panic softlockup_panic=1 hung_task_panic=1"

# The same with a serial console, and with the address that iPXE has got: the kernel needs no DHCP of its
# own then, which is some three seconds of each boot. Only what mounts its root over the network needs ip=.
# command_line = "console=ttyS0,115200 panic=10 oops=panic softlockup_panic=1 hung_task_panic=1 \
ip=${net0/ip}::${net0/gateway}:${net0/netmask}"

# What it runs today: ssh test-box cat /proc/cmdline | keepsane netboot cmdline test-box --from -

# initrd = "/home/dave/initrd.gz"   # or "generated": keepsane makes one; without it the kernel mounts root=
# modules = true                    # modules of the build travel beside it

# What it gets when there is nothing new: it waits, or it boots the last good build.
# policy = "wait"                   # or "last-good"
# mark = "login:"                   # the text of its console that says a kernel works
# mark_seconds = 120
# tries = 20                        # asked in vain so often, it starts the local disk; 0 is never
"""
"""As docs/netboot.md says it; every offer in it can be taken (a test does)."""
