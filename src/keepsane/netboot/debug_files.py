# SPDX-License-Identifier: GPL-2.0-or-later
"""
The vmlinux of the builds kept last, unpacked where `keepsane explain` looks for debug information.

    ~/.cache/keepsane/debug/.build-id/3b/43fad5034874490492495d552c0af6a5fab235.debug
    ~/.cache/keepsane/debug/vmlinux-6.12.9-test+

The first is for logs that say the kernel's build-id, the second a link to the newest of its release. Whether
it is the kernel that wrote a log is looked at there: a build of the same release that is not is refused.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from keepsane.database import make_private
from keepsane.netboot.store import Build, Store

KEEP = 3
_RELEASE = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_~-]{0,63}")
_BUILD_ID = re.compile(r"[0-9a-f]{16,64}")


def unpack_debug(store: Store, build: Build, folder: Path) -> Path | None:
    """
    Unpack the vmlinux of a build below a folder, and remove all but the last KEEP; None where it has none.

    Raises OSError where there is no room.
    """
    if build.build_id is None or _BUILD_ID.fullmatch(build.build_id) is None or build.file("vmlinux") is None:
        return None
    make_private(folder)
    place = folder / ".build-id" / build.build_id[:2] / f"{build.build_id[2:]}.debug"
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.exists():
        half = place.with_suffix(f".half-{os.getpid()}")
        try:
            store.unpack(build, "vmlinux", half)
            half.rename(place)
        finally:
            half.unlink(missing_ok=True)
    if _RELEASE.fullmatch(build.release) and ".." not in build.release:
        _link(folder / f"vmlinux-{build.release}", place)
    _remove_old(folder)
    return place


def _link(link: Path, place: Path) -> None:
    half = link.with_name(f"{link.name}.half-{os.getpid()}")
    half.unlink(missing_ok=True)
    half.symlink_to(os.path.relpath(place, link.parent))
    half.replace(link)


def _remove_old(folder: Path) -> None:
    files = sorted(folder.glob(".build-id/??/*.debug"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files[KEEP:]:
        path.unlink()
    for link in folder.glob("vmlinux-*"):
        if link.is_symlink() and not link.exists():
            link.unlink()
