# SPDX-License-Identifier: GPL-2.0-or-later
"""
What is kept of each build: a folder that is there whole or not at all, and never changes afterwards.

    builds/20261130-181500-1f3a9c02/receipt.json   what it is, each file with its size and SHA-256
    builds/20261130-181500-1f3a9c02/kernel         as machines get it
    builds/20261130-181500-1f3a9c02/vmlinux.zst    for the lines of a trace, as System.map and config
    objects/SHA-256                                the same files by content: equal ones are kept once

A folder is written under another name, its files synced, and renamed; what a crash left of one is removed by
the next that publishes. A lock keeps two of them apart.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import zstandard

from keepsane.database import make_private
from keepsane.errors import InputError
from keepsane.netboot.lock import locked
from keepsane.netboot.modules import MAX_DEBUG_BYTES, MAX_MODULES_BYTES
from keepsane.words import size_words

SCHEMA = 1
PACKED = ".zst"
SERVED = ("kernel", "initrd", "modules")
"""What machines get; these are kept as they are sent, the others packed."""

MAX_BYTES: Mapping[str, int] = {
    "kernel": 512 << 20,
    "modules": MAX_MODULES_BYTES,
    "modules.debug": MAX_DEBUG_BYTES,
    "vmlinux": 4 << 30,
    "System.map": 64 << 20,
    "config": 4 << 20,
}
"""The files that a build has, and how large each may be."""

_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{8}", re.ASCII)
_PIECE_BYTES = 1 << 20
_LEVEL = 2
_HALF = ".half-"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file of a build: its name there, the size and SHA-256 of its content, unpacked."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """
    What a receipt says.

    `release` is the kernel's (`6.12.9-test+`), `number` make's (`#12`), `banner` all that the image says.
    `commit` and `subject` are of the tree it was made from, "" where that is no git tree; `source_tree` is
    the git tree of its sources as they were, "" where they were not kept. `machine` is the one it was made
    for, "" for none; `signed_with` the command that signed the kernel, `unsigned_sha256` what it was before.
    """

    id: str
    published_seconds: float
    release: str
    number: str
    banner: str
    build_id: str | None
    tree: str
    commit: str
    subject: str
    files: tuple[StoredFile, ...]
    source_tree: str = ""
    signed_with: str = ""
    unsigned_sha256: str = ""
    machine: str = ""

    @property
    def kernel_sha256(self) -> str:
        """The SHA-256 of the kernel as make built it, "" where it has none."""
        kernel = self.file("kernel")
        return self.unsigned_sha256 or ("" if kernel is None else kernel.sha256)

    def file(self, name: str) -> StoredFile | None:
        """Give one of its files by its name, None where it has none of it."""
        return next((file for file in self.files if file.name == name), None)


@dataclass(frozen=True, slots=True)
class Store:
    """The builds in a folder of this user's alone."""

    folder: Path

    def publish(self, sources: Mapping[str, Path], said: Mapping[str, Any]) -> Build:
        """
        Keep files as one build, and give its receipt.

        `sources` are the files by the names they get; `said` are the other fields of Build but `id` and
        `published_seconds`. Raises OSError where a file cannot be read, or there is no room.
        """
        for place in (self.folder, self.folder / "builds", self.folder / "objects"):
            make_private(place)
        with locked(self.folder):
            self._sweep()
            half = self.folder / "builds" / f"{_HALF}{os.getpid()}"
            half.mkdir(mode=0o700)
            try:
                files = tuple(self._keep(half, name, path) for name, path in sources.items())
                now_ns = time.time_ns()
                build = Build(id=self._new_id(now_ns), published_seconds=now_ns / 1e9, files=files, **said)
                _write_synced(
                    half / "receipt.json", json.dumps({"schema": SCHEMA, **asdict(build)}, indent=1)
                )
                _sync(half)
                half.rename(self.folder / "builds" / build.id)
            except BaseException:
                with suppress(OSError):
                    self._sweep()
                raise
            _sync(self.folder / "builds")
        return build

    def builds(self, most: int | None = None) -> list[Build]:
        """Give the builds, the newest first and no more than `most`; what cannot be read is none."""
        try:
            found = [path.name for path in (self.folder / "builds").iterdir()]
        except FileNotFoundError:
            return []
        names = sorted(filter(_ID.fullmatch, found), reverse=True)
        return list(islice(filter(None, map(self._read, names)), most))

    def build(self, name: str) -> Build:
        """Give one build. Raises InputError where there is none of that name."""
        found = self.find(name)
        if found is None:
            raise InputError(f"no build is called {name}; `keepsane netboot history` lists them")
        return found

    def find(self, name: str) -> Build | None:
        """Give one build, None where there is none of that name."""
        return self._read(name) if _ID.fullmatch(name) else None

    def is_there(self, name: str) -> bool:
        """Say whether a build of that id is kept, whether or not its receipt can be read."""
        return _ID.fullmatch(name) is not None and (self.folder / "builds" / name).is_dir()

    def last_of_tree(self, build: Build) -> Build | None:
        """Give the build of the same tree before one."""
        older = (other for other in self.builds() if other.id < build.id)
        return next((other for other in older if other.tree == build.tree), None)

    def path(self, build: Build, name: str) -> Path:
        """Give the path of a file of a build, packed or not."""
        return self.folder / "builds" / build.id / _stored_name(name)

    def size_bytes(self, build: Build) -> int:
        """Give what a build's files take of the disk; those it shares with others count for each."""
        size_bytes = 0
        for file in build.files:
            with suppress(OSError):  # it was lost
                size_bytes += self.path(build, file.name).stat().st_size
        return size_bytes

    def damage(self, build: Build) -> str | None:
        """Say what is wrong with the files that machines get, None where nothing is."""
        for file in build.files:
            if file.name not in SERVED:
                continue
            try:
                size = self.path(build, file.name).stat().st_size
            except OSError as error:
                return f"its {file.name} cannot be read: {error.strerror or error}"
            if size != file.size_bytes:
                return f"its {file.name} has {size} bytes, and {file.size_bytes} were kept"
        return None

    def read(self, build: Build, name: str, most_bytes: int) -> bytes | None:
        """Give the content of a file of a build, None where it has none of it; no more than `most_bytes`."""
        if build.file(name) is None:
            return None
        with self.path(build, name).open("rb") as file:
            if name in SERVED:
                return file.read(most_bytes)
            with _damage_said(name):
                return bytes(zstandard.ZstdDecompressor().stream_reader(file).read(most_bytes))

    def unpack(self, build: Build, name: str, target: Path) -> None:
        """Write a file of a build as it was. Raises OSError."""
        with self.path(build, name).open("rb") as file, target.open("xb") as out, _damage_said(name):
            zstandard.ZstdDecompressor().copy_stream(file, out)

    @contextmanager
    def open(self, build: Build, name: str) -> Iterator[BinaryIO]:
        """Open a file that is kept packed, to be read from its begin on. Raises OSError."""
        with self.path(build, name).open("rb") as file, _damage_said(name):
            yield zstandard.ZstdDecompressor().stream_reader(file)

    def remove(self, build: Build) -> None:
        """Forget a build, and its files where no other has them; one that is gone already is no error."""
        with locked(self.folder):
            with suppress(FileNotFoundError):
                (self.folder / "builds" / build.id).rename(self.folder / "builds" / f"{_HALF}{build.id}")
            self._sweep()

    def sweep(self) -> None:
        """Remove what a publisher that died left behind, and objects that no build has. Raises OSError."""
        if (self.folder / "objects").is_dir():
            with locked(self.folder):
                self._sweep()

    def _sweep(self) -> None:
        self._remove_halves()
        for path in (self.folder / "objects").iterdir():
            if path.stat().st_nlink == 1:
                path.unlink()

    def _new_id(self, now_ns: int) -> str:
        """Name a build by its time in UTC, down to the nanosecond: names stand in the order of the builds."""
        while True:
            seconds, rest = divmod(now_ns, 10**9)
            name = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(seconds))}-{rest:08x}"
            if not (self.folder / "builds" / name).exists():
                return name
            now_ns += 1

    def _read(self, name: str) -> Build | None:
        receipt = self.folder / "builds" / name / "receipt.json"
        try:
            return _read_receipt(receipt, receipt.stat().st_mtime_ns)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None

    def _keep(self, half: Path, name: str, source: Path) -> StoredFile:
        written = half / _stored_name(name)
        if source.stat().st_size > MAX_BYTES[name]:
            sizes = (size_words(size >> 10) for size in (source.stat().st_size, MAX_BYTES[name]))
            raise InputError("{} has {}, and at most {} are kept".format(source, *sizes))
        with source.open("rb") as file, written.open("xb") as out:
            size, digest = _copied(file, out, packed=name not in SERVED)
            out.flush()
            os.fsync(out.fileno())
        known = self.folder / "objects" / f"{digest}{written.suffix}"
        try:
            os.link(written, known)
        except FileExistsError:
            written.unlink()
            os.link(known, written)
        return StoredFile(name=name, size_bytes=size, sha256=digest)

    def _remove_halves(self) -> None:
        for path in (self.folder / "builds").glob(f"{_HALF}*"):
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _damage_said(name: str) -> Iterator[None]:
    """Make an OSError of what zstd says of a file that is damaged."""
    try:
        yield
    except zstandard.ZstdError as error:
        raise OSError(f"the {name} that was kept is damaged: {error}") from error


@lru_cache(maxsize=256)  # the menu of a machine that waits shows the same ones again and again
def _read_receipt(path: Path, mtime_ns: int) -> Build | None:
    said = json.loads(path.read_bytes())
    return _build_of(said) if said["schema"] == SCHEMA else None


def _build_of(said: Mapping[str, Any]) -> Build:
    """Make a build of its receipt; what a newer keepsane wrote beside is not used."""
    known = {field.name: said[field.name] for field in fields(Build) if field.name in said}
    return Build(**{**known, "files": tuple(StoredFile(**file) for file in said["files"])})


def _stored_name(name: str) -> str:
    return name if name in SERVED else f"{name}{PACKED}"


def _copied(file: BinaryIO, out: BinaryIO, *, packed: bool) -> tuple[int, str]:
    digest = hashlib.sha256()
    size = 0
    packer = zstandard.ZstdCompressor(level=_LEVEL, threads=-1).compressobj() if packed else None
    while piece := file.read(_PIECE_BYTES):
        digest.update(piece)
        size += len(piece)
        out.write(piece if packer is None else packer.compress(piece))
    if packer is not None:
        out.write(packer.flush())
    return size, digest.hexdigest()


def _write_synced(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # some file systems cannot sync a folder
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
