# SPDX-License-Identifier: GPL-2.0-or-later
"""
What would go wrong on the way to a booted kernel, said before it does.

    red   test-box: its command line has no panic=: a machine that crashes stays there; add panic=10
    ok    test-box: initrd /home/dave/initrd.gz, gzip, which the last kernel can unpack
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from keepsane.errors import InputError
from keepsane.machine.command_line import check_command_line
from keepsane.machine.machine import Machine
from keepsane.machine.root import wrong_root
from keepsane.machine.settings import GENERATED
from keepsane.netboot.check import Check
from keepsane.netboot.initrd import read_static_program
from keepsane.netboot.store import Build
from keepsane.words import size_words

LEAST_FREE_BYTES = 1 << 30
"""A vmlinux with debug information takes 60 MB packed, a distribution's five times that."""

_PANIC = re.compile(r"(?:^|\s)panic=(?P<seconds>-?\d{1,9})(?!\S)")
_INITRD = re.compile(r"(?:^|\s)initrd=\S{0,200}")
_SERIAL = re.compile(r"(?:^|\s)console=ttyS\d")
_PACKED = (
    (b"\x1f\x8b", "gzip", "RD_GZIP"),
    (b"\xfd7zXZ\0", "xz", "RD_XZ"),
    (b"\x28\xb5\x2f\xfd", "zstd", "RD_ZSTD"),
    (b"\x02\x21\x4c\x18", "lz4", "RD_LZ4"),
    (b"BZh", "bzip2", "RD_BZIP2"),
    (b"0707", "cpio, not packed", "BLK_DEV_INITRD"),
)


def check_machine(machine: Machine, config: str | None) -> Iterator[Check]:
    """Look at a machine's file, and at the configuration of the kernel that it was offered last."""
    name = machine.name
    if not machine.mac:
        yield Check(False, f'{name}: no network card is named, nobody is taken for it; add mac = ["…"]')
    yield from _command_line(machine)
    yield from _initrd(machine, config)
    if config is not None:
        yield from _config(name, config, machine.command_line)


def _command_line(machine: Machine) -> Iterator[Check]:
    name = machine.name
    if wrong := check_command_line(machine.command_line):
        yield Check(False, f"{name}: its command line cannot be booted: {wrong}")
        return
    panic = _PANIC.search(machine.command_line)
    if panic is None or panic["seconds"] == "0":
        yield Check(False, f"{name}: no panic= says when it restarts, so it stays down; add panic=10")
    elif panic["seconds"].startswith("-"):
        yield Check(
            False, f"{name}: panic={panic['seconds']} restarts before its last lines are out; say panic=10"
        )
    else:
        yield Check(True, f"{name}: restarts {panic['seconds']} s after a panic")
    if own := _INITRD.search(machine.command_line):
        yield Check(
            False,
            f"{name}: its command line says {own[0].strip()}, which UEFI looks for and does not find; take "
            "it out, each script names what it brings",
        )


def check_build(name: str, build: Build) -> Check:
    """Look whether what a machine was offered last can be explained."""
    if build.file("vmlinux") is not None:
        return Check(True, f"{name}: the vmlinux of {build.id} is kept, for the lines of its crashes")
    more = "" if build.file("System.map") else ", nor a System.map, or one that is a stub"
    return Check(
        False, f"{name}: no vmlinux of {build.id} was kept{more}: run make install where it was built"
    )


def _initrd(machine: Machine, config: str | None) -> Iterator[Check]:
    if machine.initrd is None:
        wrong = wrong_root(machine.command_line, has_initrd=False)
        what = f"{machine.name}: {wrong or 'no initrd; the kernel mounts root= by itself'}"
        yield Check(None if wrong is None else False, what)
        return
    if machine.initrd == GENERATED:
        yield _generated(machine)
        return
    try:
        with machine.initrd.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        yield Check(False, f"{machine.name}: cannot read its initrd {machine.initrd}: {error.strerror}")
        return
    how = next(((name, option) for magic, name, option in _PACKED if head.startswith(magic)), None)
    if how is None:
        yield Check(False, f"{machine.name}: {machine.initrd} is no initrd that a kernel can unpack")
    elif config is not None and not _is_set(config, how[1]):
        yield Check(False, f"{machine.name}: its initrd is {how[0]}, and the kernel has no CONFIG_{how[1]}")
    else:
        yield Check(True, f"{machine.name}: initrd {machine.initrd}, {how[0]}")


def _generated(machine: Machine) -> Check:
    try:
        read_static_program(machine.busybox)
    except InputError as error:
        return Check(False, f"{machine.name}: {error}")
    return Check(True, f"{machine.name}: its initrd is made by keepsane of {machine.busybox}")


def _config(name: str, config: str, command_line: str) -> Iterator[Check]:
    if not _is_set(config, "DEBUG_INFO"):
        yield Check(None, f"{name}: its kernel has no CONFIG_DEBUG_INFO: a trace gets no source lines")
    if _SERIAL.search(command_line) and not _is_set(config, "SERIAL_8250_CONSOLE"):
        yield Check(False, f"{name}: console=ttyS, and the kernel has no CONFIG_SERIAL_8250_CONSOLE")


def _is_set(config: str, option: str) -> bool:
    return f"CONFIG_{option}=y" in config.splitlines()


def check_room(folder: Path, free_bytes: int) -> Check:
    """Look whether builds have room."""
    free = size_words(free_bytes >> 10)
    return Check(free_bytes >= LEAST_FREE_BYTES, f"{free} are free where builds are kept, {folder}")


def check_server(address: str, answer: bytes | None) -> Check:
    """Look at what the server said when it was asked as a machine asks; None where nobody answered."""
    if answer is None:
        return Check(False, f"no server answers at {address}: keepsane netboot serve --address ADDRESS")
    if not answer.startswith(b"#!ipxe"):
        return Check(False, f"what answers at {address} is no keepsane; choose another --port")
    host = address.partition(":")[0]
    if host.startswith("127."):
        return Check(None, f"the server answers at {address}: only this machine reaches it there")
    return Check(True, f"the server answers at {address}; whoever reaches it gets kernels and initrds")
