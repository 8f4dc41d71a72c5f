# SPDX-License-Identifier: GPL-2.0-or-later
"""
The modules of a kernel tree: stripped for the machine, and as they were made for `keepsane explain`.

    make modules_install INSTALL_MOD_PATH=SCRATCH INSTALL_MOD_STRIP=1
    modules         lib/modules/RELEASE as an archive that the kernel unpacks behind its initrd
    modules.debug   the same .ko with their debug information, by name alone

Source: Documentation/kbuild/modules.rst; scripts/Makefile.modinst, scripts/depmod.sh.
"""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import zstandard

from keepsane.errors import InputError
from keepsane.netboot.cpio import Member, file, write_cpio
from keepsane.netboot.run_limited import run_limited
from keepsane.words import size_words

MODULES, MODULES_DEBUG = "modules", "modules.debug"
MAX_MODULES = 10_000
MAX_MODULES_BYTES = 1 << 30
"""A machine has to hold the archive in its memory, twice for a moment."""
MAX_DEBUG_BYTES = 4 << 30
RELEASE = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_~-]{0,63}")
"""What may be a folder below lib/modules, and one of ours."""

_INSTALL_SECONDS = 600.0
_PASSED = re.compile(r"PATH|HOME|TMPDIR|LANG|LC_\w{1,30}|ARCH|CROSS_COMPILE|LLVM|LLVM_IAS|CCACHE_\w{1,30}")
"""An outer make hands down its own flags, and that Kbuild has been set up: this one sets up itself."""


class Packed(NamedTuple):
    """The archives by the names they get in a build, and what is wrong with them, "" where nothing is."""

    files: Mapping[str, Path]
    problem: str = ""


def has_modules(tree: Path) -> bool:
    """Tell whether modules were built in a tree: its configuration wants them, and make listed some."""
    return "CONFIG_MODULES=y" in _config(tree) and bool(listed_modules(tree))


def listed_modules(tree: Path) -> list[Path]:
    """
    Give the .ko files of an object tree that make listed in modules.order.

    Accepted format: `drivers/block/loop.o`, before 6.3 `drivers/block/loop.ko`, before 5.4 with `kernel/` in
    front. Source: scripts/Makefile.build.
    """
    try:
        said = (tree / "modules.order").read_text("utf-8", "replace").split()
    except OSError:
        return []
    plain = (re.sub(r"\.k?o\Z", ".ko", name) for name in said)
    places = ((tree / name, tree / name.removeprefix("kernel/")) for name in plain)
    return [next((place for place in both if place.is_file()), both[0]) for both in places]


def pack_modules(tree: Path, scratch: Path) -> Packed:
    """
    Pack the modules of an object tree into two files of a scratch folder, none where it has none.

    A kernel without its modules is still one: what goes wrong with them is said, not raised.
    """
    if not has_modules(tree):
        return Packed({})
    try:
        return Packed(_packed(tree, scratch), _without_depmod(scratch))
    except (OSError, InputError) as error:
        why = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        return Packed({}, f"the modules are not kept: {why}")


def _packed(tree: Path, scratch: Path) -> dict[str, Path]:
    _install(tree, scratch / "root")
    release = _only_release(scratch / "root" / "lib" / "modules")
    found = {
        str(path.relative_to(scratch / "root")): path
        for path in release.rglob("*")
        if path.is_file() and not path.is_symlink()
    }
    debug = {path.name: path for path in listed_modules(tree)}
    _refuse_much(found, MAX_MODULES_BYTES)
    _refuse_much(debug, MAX_DEBUG_BYTES)
    made = {MODULES: scratch / MODULES, MODULES_DEBUG: scratch / MODULES_DEBUG}
    with made[MODULES].open("xb") as raw, _packing(raw, _config(tree)) as out:
        write_cpio(out, _sorted(found))
    with made[MODULES_DEBUG].open("xb") as out:
        write_cpio(out, _sorted(debug))
    return made


def _sorted(files: Mapping[str, Path]) -> Iterator[Member]:
    return (file(name, files[name]) for name in sorted(files))


def _install(tree: Path, root: Path) -> None:
    words = ("make", "modules_install", "-s", f"INSTALL_MOD_PATH={root}", "INSTALL_MOD_STRIP=1")
    environment = {name: value for name, value in os.environ.items() if _PASSED.fullmatch(name)}
    run_limited(words, _INSTALL_SECONDS, folder=tree, environment=environment)


def _only_release(folder: Path) -> Path:
    names = [path for path in folder.iterdir() if RELEASE.fullmatch(path.name)] if folder.is_dir() else []
    if len(names) != 1:
        raise InputError(f"make modules_install wrote {len(names)} folders below lib/modules, not one")
    return names[0]


def _without_depmod(scratch: Path) -> str:
    if next((scratch / "root").glob("lib/modules/*/modules.dep"), None) is not None:
        return ""
    return "modprobe finds none of the modules: there is no depmod here; install the package kmod"


def _refuse_much(files: Mapping[str, Path], most_bytes: int) -> None:
    size_bytes = sum(path.stat().st_size for path in files.values())
    if len(files) > MAX_MODULES or size_bytes > most_bytes:
        raise InputError(
            f"{len(files)} files of {size_words(size_bytes >> 10)} are more than the {MAX_MODULES} of "
            f"{size_words(most_bytes >> 10)} that are kept; make localmodconfig builds fewer"
        )


def _config(tree: Path) -> frozenset[str]:
    try:
        return frozenset((tree / ".config").read_text("utf-8", "replace").splitlines())
    except OSError:
        return frozenset()


@contextmanager
def _packing(raw: BinaryIO, config: frozenset[str]) -> Iterator[BinaryIO]:
    """Give where to write what the kernel of this configuration can unpack. Source: lib/decompress.c."""
    if "CONFIG_RD_ZSTD=y" in config:
        with zstandard.ZstdCompressor(level=3).stream_writer(raw, closefd=False) as out:
            yield out
    elif "CONFIG_RD_GZIP=y" in config:
        with gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as zipped:
            yield cast(BinaryIO, zipped)
    else:
        yield raw
