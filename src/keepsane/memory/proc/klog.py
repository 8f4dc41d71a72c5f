# SPDX-License-Identifier: GPL-2.0-or-later
"""
The kernel's log buffer: it names what was killed and which allocations failed.

    <6>[    0.000000] Linux version 6.1.0-56-cloud-amd64 ...

Source: kernel/printk/printk.c, syslog_print_all(); check_syslog_permissions().
"""

from __future__ import annotations

import ctypes
import errno

from keepsane.memory.snapshot import DMESG, Missing

MAX_BYTES = 4 << 20
DMESGS = (DMESG, "sos_commands/kernel/dmesg")
"""Where a capture and a sosreport keep it."""
_READ_ALL, _SIZE_BUFFER = 3, 10


def read_klog() -> str | Missing:
    """
    The newest 4 MB of the log buffer, by one system call.

    Without root it is often not permitted: kernel.dmesg_restrict=1.
    """
    try:
        klogctl = ctypes.CDLL(None, use_errno=True).klogctl
    except (OSError, AttributeError):
        return Missing(path=DMESG, reason="unreadable")
    size = min(max(klogctl(_SIZE_BUFFER, None, 0), 1 << 16), MAX_BYTES)
    buffer = ctypes.create_string_buffer(size)
    length = klogctl(_READ_ALL, buffer, size)
    if length < 0:
        denied = ctypes.get_errno() in (errno.EPERM, errno.EACCES)
        return Missing(path=DMESG, reason="not permitted" if denied else "unreadable")
    return buffer.raw[:length].decode("utf-8", "replace")
