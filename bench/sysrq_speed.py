# SPDX-License-Identifier: GPL-2.0-or-later
"""
A dump of all tasks, about 650 frames, with an empty cache, against the kernel's script.

Usage: python -m bench.sysrq_speed

Both read the whole console log of the lab's 6.12 kernel in which sysrq-t was pressed. The script only
decodes, so keepsane is asked for no more (`--no-edges`); what it takes with edges is printed too.
"""

from __future__ import annotations

from bench.measure import cold_seconds, explain_command, said, seconds, warm_pages
from bench.peers import decode_stacktrace, guest, lab_log


def main() -> None:
    """Print the ratio."""
    kernel = guest()
    log = lab_log(kernel, "sysrqt")
    warm_pages(kernel.vmlinux)
    theirs = seconds(decode_stacktrace(kernel.vmlinux, kernel.modules), stdin=log)
    command = explain_command(log, kernel.vmlinux, kernel.modules)
    ours = cold_seconds([*command, "--no-edges"], times=3)
    print(said("sysrq-t log", ours, "decode_stacktrace.sh", theirs))
    judged = cold_seconds(command, times=3)
    print(said("sysrq-t log, and edges", judged, "decode_stacktrace.sh", theirs))


if __name__ == "__main__":
    main()
