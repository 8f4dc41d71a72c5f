# SPDX-License-Identifier: GPL-2.0-or-later
"""
A build on its way from the machine that made it to the one that serves it: one stream, within zstd.

    keepsane-build 1
    412
    {"machine": "", "said": {"release": "6.12.9-test+", ...}, "files": [{"name": "kernel", ...}]}
    the bytes of the files, one behind the other, and nothing behind the last

Who receives believes nothing of it: names are of a list, sizes have limits, every file must have its SHA-256
before anything is kept.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import zstandard

from keepsane.errors import InputError
from keepsane.netboot.install import Gathered
from keepsane.netboot.store import MAX_BYTES, StoredFile

_MAGIC = b"keepsane-build 1\n"
_MAX_HEAD_BYTES = 32 << 10
_MAX_TEXT = 1024
_TEXTS = ("release", "number", "banner", "tree", "commit", "subject")
_MACHINE = re.compile(r"(?:[a-z0-9][a-z0-9-]{0,31})?")
_BUILD_ID = re.compile(r"[0-9a-f]{16,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PIECE_BYTES = 1 << 20
_SPARE_BYTES = 64 << 20
_MAX_WINDOW_BYTES = 8 << 20


def send(out: BinaryIO, gathered: Gathered, machine: str) -> None:
    """Write a build to a stream. Raises OSError, InputError where a file changes meanwhile."""
    files = [_described(name, path) for name, path in gathered.files.items()]
    said = {name: gathered.said[name] for name in (*_TEXTS, "build_id")}
    head = json.dumps({"machine": machine, "said": said, "files": [asdict(file) for file in files]}).encode()
    with zstandard.ZstdCompressor(level=1, threads=-1).stream_writer(out, closefd=False) as packed:
        packed.write(_MAGIC + b"%d\n" % len(head) + head)
        for file in files:
            with gathered.files[file.name].open("rb") as source:
                shutil.copyfileobj(source, packed, _PIECE_BYTES)


def receive(stream: BinaryIO, scratch: Path) -> tuple[Gathered, str]:
    """
    Read a build into a scratch folder, and give it with the name of the machine that it is for, "" for none.

    Raises InputError for a stream that is not what send() writes, OSError where there is no room.
    """
    try:
        with zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES).stream_reader(
            stream, read_across_frames=False, closefd=False
        ) as plain:
            said, machine, files = _checked_head(_head(plain))
            _refuse_full(scratch, files)
            paths = {file.name: _received(plain, file, scratch) for file in files}
            if plain.read(1):
                raise InputError("more came than its head says")
    except zstandard.ZstdError as error:
        raise InputError(f"no build of keepsane comes in: {error}") from error
    return Gathered(paths, said, scratch), machine


def _described(name: str, path: Path) -> StoredFile:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return StoredFile(name=name, size_bytes=file.tell(), sha256=digest)


def _head(plain: BinaryIO) -> Any:
    start = _exactly(plain, len(_MAGIC))
    if start != _MAGIC:
        raise InputError("no build of keepsane comes in; `keepsane-install --to HOST` sends one")
    digits = b""
    while (digit := _exactly(plain, 1)) != b"\n":
        digits += digit
        if not digit.isdigit() or len(digits) > len(str(_MAX_HEAD_BYTES)):
            raise InputError("the head of the build that comes in has no size")
    if not digits or int(digits) > _MAX_HEAD_BYTES:
        raise InputError(f"the head of the build that comes in has more than {_MAX_HEAD_BYTES} bytes")
    try:
        return json.loads(_exactly(plain, int(digits)))
    except (ValueError, RecursionError) as error:
        raise InputError(f"the head of the build that comes in is no JSON: {error}") from error


def _checked_head(head: Any) -> tuple[dict[str, Any], str, Sequence[StoredFile]]:
    """Give what a head says, checked: no name leads elsewhere, no text has control characters."""
    try:
        said, machine = head["said"], head["machine"]
        files = [
            StoredFile(name=x["name"], size_bytes=x["size_bytes"], sha256=x["sha256"]) for x in head["files"]
        ]
        texts = {name: said[name] for name in _TEXTS}
        build_id = said["build_id"]
    except (TypeError, KeyError) as error:
        raise InputError(f"the head of the build that comes in lacks {error}") from error
    for name, text in (*texts.items(), ("build_id", build_id or "0" * 16), ("machine", machine)):
        if not isinstance(text, str) or len(text) > _MAX_TEXT or _CONTROL.search(text):
            raise InputError(f"the {name} of the build that comes in is no line of text")
    if build_id is not None and _BUILD_ID.fullmatch(build_id) is None:
        raise InputError("the build_id of the build that comes in is none")
    if _MACHINE.fullmatch(machine) is None:
        raise InputError("the build that comes in is for a machine that has no name of one")
    for wrong in _wrong_files(files):
        raise InputError(f"the build that comes in is refused: {wrong}")
    return {**texts, "build_id": build_id}, machine, files


def _wrong_files(files: Sequence[Any]) -> Iterator[str]:
    for file in files:
        most_bytes = MAX_BYTES.get(file.name) if isinstance(file.name, str) else None
        if most_bytes is None:
            yield f"a build has no file {str(file.name)[:64]!r}"
        elif type(file.size_bytes) is not int or not 0 <= file.size_bytes <= most_bytes:
            yield f"its {file.name} has {str(file.size_bytes)[:20]} bytes, and may have {most_bytes}"
        elif not isinstance(file.sha256, str) or _SHA256.fullmatch(file.sha256) is None:
            yield f"its {file.name} has no SHA-256"
    names = {file.name for file in files}
    if len(names) != len(files) or "kernel" not in names:
        yield "its files are not one kernel and what belongs to it"


def _refuse_full(scratch: Path, files: Sequence[StoredFile]) -> None:
    needed_bytes = sum(file.size_bytes for file in files) + _SPARE_BYTES
    if shutil.disk_usage(scratch).free < needed_bytes:
        raise InputError(f"{scratch} has no room for a build of {needed_bytes} bytes")


def _received(plain: BinaryIO, file: StoredFile, scratch: Path) -> Path:
    path = scratch / file.name
    digest = hashlib.sha256()
    left = file.size_bytes
    with path.open("xb") as out:
        while left:
            piece = plain.read(min(left, _PIECE_BYTES))
            if not piece:
                raise InputError(f"the build that comes in ends within its {file.name}")
            digest.update(piece)
            out.write(piece)
            left -= len(piece)
    if digest.hexdigest() != file.sha256:
        raise InputError(f"the {file.name} that came in has another SHA-256 than its head says")
    return path


def _exactly(plain: BinaryIO, size_bytes: int) -> bytes:
    read = b""
    while len(read) < size_bytes:
        piece = plain.read(size_bytes - len(read))
        if not piece:
            raise InputError("no build of keepsane comes in: it ends within its head")
        read += piece
    return read
