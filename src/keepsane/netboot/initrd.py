# SPDX-License-Identifier: GPL-2.0-or-later
"""
The generated initrd: a static busybox and our own /init, which needs no modules of its own.

    initrd = "generated"

The modules of the build come in a second archive that the kernel lays over this one. What /init does stands
at its head (on_machine/init). It is packed once for what it is made of, in `CACHE/netboot/initrd-SHA256`.
"""

from __future__ import annotations

import hashlib
import os
import struct
from pathlib import Path

from keepsane.database import make_private
from keepsane.errors import InputError, OutputError
from keepsane.machine.settings import BUSYBOX
from keepsane.netboot.cpio import Member, console, file, folder, link, write_cpio

ON_MACHINE = Path(__file__).with_name("on_machine")

_MOST_BUSYBOX_BYTES = 16 << 20
_FOLDERS = ("proc", "sys", "dev", "run", "root", "tmp", "sbin")
_PT_INTERP = 3


def generated_initrd(cache: Path, busybox: Path = BUSYBOX) -> Path:
    """
    Give the generated initrd, packed now where it is not there yet.

    `cache` is a folder of this user's. Raises InputError where busybox is missing or needs libraries,
    OutputError where the archive cannot be written.
    """
    program = read_static_program(busybox)
    scripts = {name: (ON_MACHINE / name).read_bytes() for name in ("init", "keepsane-agent", "network")}
    digest = hashlib.sha256(b"\0".join((program, *scripts.values()))).hexdigest()
    place = cache / "netboot" / f"initrd-{digest}"
    if not place.is_file():
        try:
            _pack(place, _members(program, scripts))
        except OSError as error:
            raise OutputError(
                f"cannot write the generated initrd {place}: {error.strerror or error}"
            ) from error
    return place


def _pack(place: Path, members: list[Member]) -> None:
    make_private(place.parent)
    half = place.with_name(f".half-{os.getpid()}")
    try:
        with half.open("wb") as out:
            write_cpio(out, members)
        half.replace(place)
    finally:
        half.unlink(missing_ok=True)


def _members(program: bytes, scripts: dict[str, bytes]) -> list[Member]:
    return [
        *(folder(name) for name in _FOLDERS),
        console(),
        file("bin/busybox", program, runs=True),
        link("sbin/modprobe", "../bin/busybox"),  # the kernel runs it for a file system or a protocol
        file("init", scripts["init"], runs=True),
        file("bin/keepsane-agent", scripts["keepsane-agent"], runs=True),
        file("bin/network", scripts["network"], runs=True),
    ]


def read_static_program(path: Path) -> bytes:
    """Read a program that runs where nothing else is. Raises InputError."""
    try:
        with path.open("rb") as opened:
            program = opened.read(_MOST_BUSYBOX_BYTES)
    except OSError as error:
        raise InputError(
            f"cannot read {path} for the generated initrd: {error.strerror or error};"
            " install Debian's busybox-static, or name a static busybox as `busybox`"
        ) from error
    if not _is_static(program):
        raise InputError(f"{path} is no static program; install Debian's busybox-static, or name another")
    return program


def _is_static(program: bytes) -> bool:
    """Say whether this is a 64-bit program that names no interpreter (the ELF specification, e_phoff)."""
    if program[:6] != b"\x7fELF\x02\x01":
        return False
    try:
        (start,) = struct.unpack_from("<Q", program, 0x20)
        size, count = struct.unpack_from("<HH", program, 0x36)
        kinds = [struct.unpack_from("<I", program, start + size * number)[0] for number in range(count)]
    except struct.error:
        return False
    return _PT_INTERP not in kinds
