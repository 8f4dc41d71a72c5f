# SPDX-License-Identifier: GPL-2.0-or-later
"""
Whether a kernel finds its root without an initrd.

    root=UUID=1234 ro       it does not: the kernel alone knows devices, PARTUUID= and PARTLABEL=
    root=/dev/nfs ip=dhcp   it does

Source: block/early-lookup.c, early_lookup_bdev(), and Documentation/admin-guide/kernel-parameters.txt.
"""

from __future__ import annotations

from keepsane.machine.command_line import parameter, split

_NEEDS_INITRD = ("UUID=", "LABEL=")


def wrong_root(command_line: str, *, has_initrd: bool) -> str | None:
    """Say why a kernel would find no root, None where it may find one."""
    if has_initrd:
        return None
    said = dict(map(parameter, split(command_line)))
    root = said.get("root")
    if not root and "rdinit" in said:  # it is said to be in the kernel, by CONFIG_INITRAMFS_SOURCE
        return None
    if not root:
        return "no root= and no initrd: the kernel finds nothing to start; add root=PARTUUID=... or an initrd"
    kind = next((kind for kind in _NEEDS_INITRD if root.startswith(kind)), None)
    if kind is None:
        return None
    return (
        f"root={root} without an initrd: the kernel alone knows no {kind}; name one in its file, or write "
        "root=PARTUUID=..."
    )
