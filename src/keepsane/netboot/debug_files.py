# SPDX-License-Identifier: GPL-2.0-or-later
"""
vmlinux and modules of the builds kept last, unpacked where `keepsane explain` looks for debug information.

    ~/.cache/keepsane/debug/.build-id/3b/43fad5034874490492495d552c0af6a5fab235.debug
    ~/.cache/keepsane/debug/kernels/6.12.9-test+/20261130-181500-1f3a9c02/vmlinux
    ~/.cache/keepsane/debug/kernels/6.12.9-test+/20261130-181500-1f3a9c02/loop.ko

Beside each stands a note (`.source`) with the git tree of the sources and the folder whose repository has it.
The first is for logs that say build-ids, the others for those that say a release; they are the same files,
and so are equal modules of two builds. Whether it is the kernel that wrote a log is looked at there.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from keepsane.database import make_private
from keepsane.errors import InputError
from keepsane.folders import SOURCE_NOTE
from keepsane.netboot.cpio_read import read_members
from keepsane.netboot.lock import locked
from keepsane.netboot.modules import MAX_DEBUG_BYTES, MAX_MODULES, MODULES_DEBUG, RELEASE
from keepsane.netboot.store import Build, Store

KEEP = 3
_BUILD_ID = re.compile(r"[0-9a-f]{16,64}")
_KO = re.compile(r"[\w-]{1,64}\.ko", re.ASCII)
_HALF = ".half-"

BuildIdOf = Callable[[Path], str | None]
"""Reads the build-id of an ELF file, None where it has none or is none."""


def unpack_debug(store: Store, build: Build, folder: Path, build_id_of: BuildIdOf) -> Path | None:
    """
    Unpack vmlinux and modules of a build below a folder, and remove all but those of the last KEEP.

    Gives the folder of the build; None where it has no vmlinux, or its release is no name of a folder. Raises
    OSError where there is no room, InputError where what was kept of it is damaged.
    """
    if build.file("vmlinux") is None or RELEASE.fullmatch(build.release) is None or ".." in build.release:
        return None
    make_private(folder)
    with locked(folder):
        _remove_halves(folder)
        place = folder / "kernels" / build.release / build.id
        if not place.exists():
            half = folder / f"{_HALF}{build.id}"
            half.mkdir()
            try:
                store.unpack(build, "vmlinux", half / "vmlinux")
                _unpack_modules(store, build, half)
                _note_source(half, build)
                _list_by_build_id(half, folder, build_id_of)
                place.parent.mkdir(parents=True, exist_ok=True)
                half.rename(place)
            finally:
                shutil.rmtree(half, ignore_errors=True)
        _remove_old(folder)
    return place


def _unpack_modules(store: Store, build: Build, half: Path) -> None:
    if build.file(MODULES_DEBUG) is None:
        return
    left_bytes = MAX_DEBUG_BYTES
    with store.open(build, MODULES_DEBUG) as archive:
        for number, member in enumerate(read_members(archive)):
            left_bytes -= member.size_bytes
            if number >= MAX_MODULES or left_bytes < 0 or _KO.fullmatch(member.name) is None:
                raise InputError(
                    f"the modules of {build.id} are damaged; `keepsane explain` has none of them"
                )
            with (half / member.name).open("xb") as out:
                _copy(archive, out, member.size_bytes)


def _note_source(half: Path, build: Build) -> None:
    """Say where the sources of the build are; an empty note says that nobody knows."""
    said = f"{build.source_tree}\n{build.tree}\n" if build.source_tree else ""
    (half / SOURCE_NOTE).write_bytes(os.fsencode(said))


def _copy(source: BinaryIO, out: BinaryIO, size_bytes: int) -> None:
    while size_bytes:
        piece = source.read(min(size_bytes, 1 << 20))
        if not piece:
            raise InputError("the archive is damaged")
        out.write(piece)
        size_bytes -= len(piece)


def _list_by_build_id(half: Path, folder: Path, build_id_of: BuildIdOf) -> None:
    note = half / SOURCE_NOTE
    for path in sorted(set(half.iterdir()) - {note}):
        build_id = build_id_of(path)
        if build_id is None or _BUILD_ID.fullmatch(build_id) is None:
            continue
        place = folder / ".build-id" / build_id[:2] / f"{build_id[2:]}.debug"
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_file() and place.stat().st_size == path.stat().st_size:
            path.unlink()
            os.link(place, path)  # the same file, of a build before it
        else:
            place.unlink(missing_ok=True)
            os.link(path, place)
        beside = place.with_suffix(SOURCE_NOTE)
        beside.unlink(missing_ok=True)
        os.link(note, beside)


def _remove_old(folder: Path) -> None:
    builds = sorted(folder.glob("kernels/*/*"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in builds[KEEP:]:
        gone = folder / f"{_HALF}{path.name}"
        path.rename(gone)
        shutil.rmtree(gone)
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
    for path in folder.glob(".build-id/??/*.debug"):
        if path.stat().st_nlink == 1:
            path.unlink()
            path.with_suffix(SOURCE_NOTE).unlink(missing_ok=True)
    for link in folder.glob("vmlinux-*"):
        link.unlink()  # as keepsane listed them before there were modules


def _remove_halves(folder: Path) -> None:
    for path in folder.glob(f"{_HALF}*"):
        shutil.rmtree(path, ignore_errors=True)
